# SPDX-License-Identifier: GPL-2.0-or-later
# What the toolchain files have in common: Debian's compiler and libraries for CMAKE_SYSTEM_PROCESSOR and
# CMAKE_LIBRARY_ARCHITECTURE, which the including file sets.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_C_COMPILER ${CMAKE_LIBRARY_ARCHITECTURE}-gcc)
set(CMAKE_CXX_COMPILER ${CMAKE_LIBRARY_ARCHITECTURE}-g++)
# pkg-config of the other architecture, if it is installed, else this machine's with the other's directories.
find_program(PKG_CONFIG_EXECUTABLE ${CMAKE_LIBRARY_ARCHITECTURE}-pkg-config pkg-config)
set(ENV{PKG_CONFIG_LIBDIR} /usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/pkgconfig:/usr/share/pkgconfig)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
# Unit tests run here, where qemu-user is installed.
find_program(DANEGATE_EMULATOR qemu-${CMAKE_SYSTEM_PROCESSOR})
if(DANEGATE_EMULATOR)
  set(CMAKE_CROSSCOMPILING_EMULATOR ${DANEGATE_EMULATOR})
endif()
