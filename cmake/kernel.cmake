# SPDX-License-Identifier: MIT
#
# kernel.elf: one line a source. The architecture's are in cmake/machine/ARCH.cmake.
#
# The same sources make two more, for tests (exo-run --kernel NAME): kernel-counted.elf counts the time
# under the kernel lock, kernel-checked.elf looks for wrong lock orders and for writes to freed memory.

set(EXO_LIB_SOURCES
  lib/answers.c
  lib/chacha.c
  lib/cpio.c
  lib/elf.c
  lib/format.c
  lib/fresh.c
  lib/heap.c
  lib/partition.c
  lib/string.c
  lib/undo.c
)

set(EXO_KERNEL_SOURCES
  kernel/main.c
  kernel/boot/init.c
  kernel/cap/cap.c
  kernel/env/env.c
  kernel/env/slots.c
  kernel/env/thread.c
  kernel/ipc/endpoint.c
  kernel/ipc/event.c
  kernel/ipc/pair.c
  kernel/ipc/wait.c
  kernel/ipc/waitset.c
  kernel/irq/device.c
  kernel/irq/dma.c
  kernel/mem/account.c
  kernel/mem/frame.c
  kernel/mem/reclaim.c
  kernel/mem/region.c
  kernel/mem/space.c
  kernel/mem/space_calls.c
  kernel/object.c
  kernel/resurrection/policy.c
  kernel/resurrection/service.c
  kernel/resurrection/service_calls.c
  kernel/resurrection/snapshot.c
  kernel/sched/lock.c
  kernel/sched/sched.c
  kernel/sched/timer.c
  kernel/trace/log.c
  kernel/trap/call.c
  kernel/trap/upcall.c
  kernel/trap/view.c
)

exo_archive(lib_kernel kernel_flags ${EXO_LIB_SOURCES})
exo_archive(lib_native native_flags ${EXO_LIB_SOURCES})
exo_archive(lib_posix posix_flags ${EXO_LIB_SOURCES})

include(cmake/libfdt.cmake)

# exo_kernel(NAME DEFINITION...): NAME.elf and, where boot loaders want a Linux `Image`, NAME.img: the
# file begins with its header, and is loaded as it is.
function(exo_kernel name)
  add_executable(${name} ${EXO_KERNEL_SOURCES} ${EXO_HAL_SOURCES})
  set_target_properties(${name} PROPERTIES OUTPUT_NAME ${name}.elf
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
  target_compile_definitions(${name} PRIVATE ${ARGN})
  target_link_libraries(${name} PRIVATE kernel_flags lib_kernel)
  exo_link(${name} ${EXO_HAL}/kernel.ld)
  if(EXO_MACHINE_DEVICE_TREE)
    target_link_libraries(${name} PRIVATE libfdt)
  endif()
  if(EXO_MACHINE_RAW_IMAGE)
    add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/${name}.img
      COMMAND ${EXO_OBJCOPY} -O binary $<TARGET_FILE:${name}> ${CMAKE_BINARY_DIR}/${name}.img
      DEPENDS ${name} VERBATIM)
    add_custom_target(${name}-image ALL DEPENDS ${CMAKE_BINARY_DIR}/${name}.img)
  endif()
endfunction()

exo_kernel(kernel)
exo_kernel(kernel-counted EXO_LOCK_TIME)
exo_kernel(kernel-checked EXO_DEBUG)

# `gdb kernel.elf` works in the top folder as well; gdb-multiarch in build/ARCH for the others.
if(EXO_ARCH STREQUAL "x86_64")
add_custom_command(TARGET kernel POST_BUILD
  COMMAND ${CMAKE_COMMAND} -E create_symlink $<TARGET_FILE:kernel>
    ${CMAKE_SOURCE_DIR}/kernel.elf)
endif()

# The disassembly with source lines and the symbols by address: `make listing`.
add_custom_command(OUTPUT kernel.lst kernel.sym
  COMMAND ${EXO_OBJDUMP} -d -S $<TARGET_FILE:kernel> > kernel.lst
  COMMAND ${EXO_NM} -n $<TARGET_FILE:kernel> > kernel.sym
  DEPENDS kernel VERBATIM)
add_custom_target(listing DEPENDS kernel.lst kernel.sym)
