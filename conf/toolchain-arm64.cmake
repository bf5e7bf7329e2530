# SPDX-License-Identifier: GPL-2.0-or-later
# Cross-build with Debian's compiler and libraries of the other architecture (README.md, "Other architectures"):
#   cmake -B build-arm64 -G Ninja --toolchain conf/toolchain-arm64.cmake
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
# pkg-config of the other architecture, if it is installed, else this machine's with the other's directories.
find_program(PKG_CONFIG_EXECUTABLE aarch64-linux-gnu-pkg-config pkg-config)
set(ENV{PKG_CONFIG_LIBDIR} /usr/lib/aarch64-linux-gnu/pkgconfig:/usr/share/pkgconfig)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
# Unit tests run here, where qemu-user is installed.
find_program(DANEGATE_EMULATOR qemu-aarch64)
if(DANEGATE_EMULATOR)
  set(CMAKE_CROSSCOMPILING_EMULATOR ${DANEGATE_EMULATOR})
endif()
