# SPDX-License-Identifier: GPL-2.0-or-later
# Cross-build with Debian's compiler and libraries of the other architecture (README.md, "Other architectures"):
#   cmake -B build-arm64 -G Ninja --toolchain conf/toolchain-arm64.cmake
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
include(${CMAKE_CURRENT_LIST_DIR}/toolchain-debian.cmake)
