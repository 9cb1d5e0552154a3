# SPDX-License-Identifier: MIT
#
# libfdt reads device trees. It comes from Debian's source package (image/sources.lock), because a
# kernel cannot use the library that Debian compiled for programs.

if(NOT EXO_MACHINE_DEVICE_TREE)
  return()
endif()

set(home ${CMAKE_BINARY_DIR}/third-party)
execute_process(
  COMMAND ${EXO_PYTHON} ${CMAKE_SOURCE_DIR}/image/build source device-tree-compiler ${home}
  RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "the source of libfdt could not be fetched (see above)")
endif()

add_library(libfdt STATIC ${home}/libfdt/fdt.c ${home}/libfdt/fdt_ro.c
  ${home}/libfdt/fdt_addresses.c ${home}/libfdt/fdt_check.c)
target_compile_options(libfdt PRIVATE ${EXO_FREESTANDING} ${EXO_MACHINE_KERNEL_OPTIONS} -w)
target_include_directories(libfdt PRIVATE ${EXO_INCLUDES})
# Its headers ask for two of the C library; lib/libfdt/ has what it needs of them.
target_include_directories(libfdt PUBLIC ${CMAKE_SOURCE_DIR}/lib/libfdt)
target_include_directories(libfdt SYSTEM PUBLIC ${home}/libfdt)
