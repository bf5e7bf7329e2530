# SPDX-License-Identifier: GPL-2.0-or-later
# Cross-build with Debian's compiler and libraries of the other architecture (README.md, "Other architectures"):
#   cmake -B build-armhf -G Ninja --toolchain conf/toolchain-armhf.cmake
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR arm)
set(CMAKE_C_COMPILER arm-linux-gnueabihf-gcc)
set(CMAKE_CXX_COMPILER arm-linux-gnueabihf-g++)
set(CMAKE_LIBRARY_ARCHITECTURE arm-linux-gnueabihf)
# pkg-config of the other architecture, if it is installed, else this machine's with the other's directories.
find_program(PKG_CONFIG_EXECUTABLE arm-linux-gnueabihf-pkg-config pkg-config)
set(ENV{PKG_CONFIG_LIBDIR} /usr/lib/arm-linux-gnueabihf/pkgconfig:/usr/share/pkgconfig)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
# Unit tests run here, where qemu-user is installed.
find_program(DANEGATE_EMULATOR qemu-arm)
if(DANEGATE_EMULATOR)
  set(CMAKE_CROSSCOMPILING_EMULATOR ${DANEGATE_EMULATOR})
endif()
