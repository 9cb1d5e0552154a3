# SPDX-License-Identifier: MIT
#
# How ExoV6's own code is compiled and linked.
#
# Three kinds of freestanding program, and for each an interface target that holds its flags and
# a copy of lib/ built with them:
#   kernel_flags   kernel.elf: upper half, no vector registers, no red zone
#   native_flags   servers, drivers and demonstrations: static, their own start-up
#   posix_flags    posix.elf, the LibOS that lives in every POSIX process: vector registers belong
#                  to the program around it, and it is linked far from everything else
#
# The linker is always ld.lld, called directly: no host library can slip into the system. What
# depends on the machine is in cmake/machine/ARCH.cmake.

include(cmake/machine/${EXO_ARCH}.cmake)
set(EXO_HAL hal/${EXO_ARCH})

set(EXO_WARNINGS
  -Wall -Wextra -Werror -Wshadow -Wundef -Wvla -Wpointer-arith -Wwrite-strings -Wcast-qual
  -Wstrict-prototypes -Wmissing-prototypes -Wmissing-variable-declarations
  -Wimplicit-fallthrough -Wunreachable-code -Wformat=2 -Wno-format-nonliteral -Wthread-safety)

set(EXO_FREESTANDING
  --target=${EXO_TARGET} -ffreestanding -nostdlibinc -fno-pic -fno-stack-protector
  -fno-asynchronous-unwind-tables -fno-omit-frame-pointer -fno-strict-aliasing -fno-common
  ${EXO_MACHINE_OPTIONS}
  -fmacro-prefix-map=${CMAKE_SOURCE_DIR}/=)

# The host's linker command is kept for the unit tests (tests/c17/unit/CMakeLists.txt).
set(EXO_HOST_LINK_EXECUTABLE "${CMAKE_C_LINK_EXECUTABLE}")
set(CMAKE_C_LINK_EXECUTABLE
  "${EXO_LLD} <LINK_FLAGS> <OBJECTS> <LINK_LIBRARIES> -o <TARGET>")
set(EXO_LINK -static -nostdlib --no-dynamic-linker --build-id=none --fatal-warnings
  -znoexecstack -zmax-page-size=4096 -zseparate-code)

# The public headers, the machine's part of them, and the top folder for "lib/ring.h" and the like.
set(EXO_INCLUDES ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/include
  ${CMAKE_SOURCE_DIR}/include/machine/${EXO_ARCH} ${CMAKE_SOURCE_DIR}/lib/freestanding)
set(EXO_KERNEL_INCLUDES
  ${CMAKE_SOURCE_DIR}/kernel ${CMAKE_SOURCE_DIR}/hal ${CMAKE_SOURCE_DIR}/${EXO_HAL}/include
  ${CMAKE_SOURCE_DIR}/${EXO_HAL})
set(EXO_LIBOS_INCLUDES
  ${CMAKE_SOURCE_DIR}/libos/exo ${CMAKE_SOURCE_DIR}/libos/exo/arch/${EXO_ARCH})

# exo_kind(NAME FLAG...): the interface target NAME with the flags all kinds share and FLAG...
function(exo_kind name)
  add_library(${name} INTERFACE)
  target_compile_options(${name} INTERFACE
    ${EXO_FREESTANDING} ${ARGN} "$<$<COMPILE_LANGUAGE:C>:${EXO_WARNINGS}>")
  target_include_directories(${name} INTERFACE ${EXO_INCLUDES})
  target_link_options(${name} INTERFACE ${EXO_LINK})
endfunction()

# The kernel is one program to the optimiser in Release: short functions in many files cost nothing.
exo_kind(kernel_flags ${EXO_MACHINE_KERNEL_OPTIONS} -DEXO_KERNEL $<$<CONFIG:Release>:-flto>
  $<$<CONFIG:Release>:-fomit-frame-pointer>
  $<$<OR:$<BOOL:${EXO_LOCK_TIME}>,$<CONFIG:Debug>>:-DEXO_LOCK_TIME>)
target_include_directories(kernel_flags INTERFACE ${EXO_KERNEL_INCLUDES})
exo_kind(native_flags)
target_include_directories(native_flags INTERFACE ${EXO_LIBOS_INCLUDES})
exo_kind(posix_flags ${EXO_MACHINE_POSIX_OPTIONS})
target_compile_definitions(posix_flags INTERFACE EXO_TRAP_SITES)  # libos/posix/trace_native.c
target_include_directories(posix_flags INTERFACE ${EXO_LIBOS_INCLUDES}
  ${CMAKE_SOURCE_DIR}/libos/posix ${CMAKE_SOURCE_DIR}/libos/posix/arch/${EXO_ARCH})

# exo_archive(NAME FLAGS FILE...): a static library of FILE... built with the flags of one kind.
function(exo_archive name flags)
  add_library(${name} STATIC ${ARGN})
  target_link_libraries(${name} PRIVATE ${flags})
endfunction()

# exo_link(TARGET SCRIPT): link with this linker script, and again when it changes.
function(exo_link target script)
  target_link_options(${target} PRIVATE -T ${CMAKE_SOURCE_DIR}/${script})
  set_property(TARGET ${target} APPEND PROPERTY LINK_DEPENDS ${CMAKE_SOURCE_DIR}/${script})
endfunction()
