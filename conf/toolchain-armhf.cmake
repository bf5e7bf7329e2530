# SPDX-License-Identifier: GPL-2.0-or-later
# Cross-build with Debian's compiler and libraries of the other architecture (README.md, "Other architectures"):
#   cmake -B build-armhf -G Ninja --toolchain conf/toolchain-armhf.cmake
set(CMAKE_SYSTEM_PROCESSOR arm)
set(CMAKE_LIBRARY_ARCHITECTURE arm-linux-gnueabihf)
include(${CMAKE_CURRENT_LIST_DIR}/toolchain-debian.cmake)
