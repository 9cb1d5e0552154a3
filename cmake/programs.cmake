# SPDX-License-Identifier: MIT
#
# User programs of the system, one line a program. Each is written to BUILD/sys/NAME with its
# symbols, and stripped into the image under the path that the second word stands for:
#
#   exo_server(NAME FILE...)   /usr/sbin/NAME; servers/NAME/rights (or drivers/NAME/rights)
#                              becomes /usr/lib/exo/rights/NAME
#   exo_demo(NAME FILE...)     /usr/lib/exo/demo/NAME
#   exo_posix(FILE...)         /usr/lib/exo/posix.elf

set(EXO_IMAGE_FILES "")  # PATH=FILE of all that is ours in the image, for cmake/image.cmake

# exo_program(NAME FOLDER FLAGS SCRIPT LIBRARIES FILE...): what the three below share.
function(exo_program name folder flags script libraries)
  add_executable(${name} ${ARGN})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/sys)
  target_link_libraries(${name} PRIVATE ${flags} ${libraries})
  exo_link(${name} ${script})
  set(stripped ${CMAKE_BINARY_DIR}/image/own/${name})
  add_custom_command(OUTPUT ${stripped}
    COMMAND ${EXO_OBJCOPY} --strip-all ${CMAKE_BINARY_DIR}/sys/${name} ${stripped}
    DEPENDS ${name} VERBATIM)
  list(APPEND EXO_IMAGE_FILES ${folder}/${name}=${stripped})
  foreach(home servers drivers)
    if(EXISTS ${CMAKE_SOURCE_DIR}/${home}/${name}/rights)
      list(APPEND EXO_IMAGE_FILES
        usr/lib/exo/rights/${name}=${CMAKE_SOURCE_DIR}/${home}/${name}/rights)
    endif()
  endforeach()
  set(EXO_IMAGE_FILES ${EXO_IMAGE_FILES} PARENT_SCOPE)
endfunction()

macro(exo_server name)
  exo_program(${name} usr/sbin native_flags libos/exo/user.ld "libos_exo;lib_native"
    ${ARGN})
endmacro()
macro(exo_demo name)
  exo_program(${name} usr/lib/exo/demo native_flags libos/exo/user.ld
    "libos_tiny;libos_exo;lib_native" ${ARGN})
endmacro()
macro(exo_posix)
  exo_program(posix.elf usr/lib/exo posix_flags libos/posix/posix.ld "lib_posix"
    ${ARGN})
endmacro()

# ext4, a library of fs that its unit tests build for the host.
set(EXO_EXT4_SOURCES)
foreach(file blocks bitmap cache checksum directory extent file group hash htree inode inodes journal
    journal map mount name operation orphan readdir remove replay report superblock xattr)
  list(APPEND EXO_EXT4_SOURCES servers/fs/ext4/${file}.c)
endforeach()

# The libraries under the programs.
exo_archive(libos_exo native_flags
  libos/exo/arch/${EXO_ARCH}/once.c
  libos/exo/arch/${EXO_ARCH}/start.S
  libos/exo/block.c
  libos/exo/ipc.c
  libos/exo/log.c
  libos/exo/memory.c
  libos/exo/options.c
  libos/exo/rs.c
  libos/exo/rs_native.c
  libos/exo/spawn.c
  libos/exo/start.c
  libos/exo/thread.c
)
exo_archive(libos_tiny native_flags
  libos/tiny/arch/${EXO_ARCH}/tiny.S
  libos/tiny/pager.c
  libos/tiny/threads.c
  libos/tiny/twin.c
)

# The servers; init is the first file of the archive.
exo_server(init
  servers/init/archive.c
  servers/init/command.c
  servers/init/main.c
  servers/init/native.c
  servers/init/rights.c
  servers/init/services.c
  servers/init/session.c
  servers/init/upkeep.c
  servers/init/watch.c
  libos/posix/handover.c
)
exo_server(pci
  drivers/pci/access.c
  drivers/pci/config.c
  drivers/pci/main.c
)
set(EXO_VIRTIO_BLK_SOURCES)
foreach(file drivers/virtio_blk/disk.c drivers/virtio_blk/extent.c drivers/virtio_blk/main.c
    drivers/virtio_blk/queue.c libos/virtio/pci.c libos/virtio/ring.c)
  list(APPEND EXO_VIRTIO_BLK_SOURCES ${CMAKE_SOURCE_DIR}/${file})  # tests/guest/mortal has them too
endforeach()
exo_server(virtio_blk ${EXO_VIRTIO_BLK_SOURCES})
exo_server(proc
  servers/proc/after.c
  servers/proc/credentials.c
  servers/proc/jobs.c
  servers/proc/life.c
  servers/proc/main.c
  servers/proc/port.c
  servers/proc/request.c
  servers/proc/signal.c
  servers/proc/table.c
  servers/proc/wait.c
)
# What needs no kernel is also built for the host, with its unit tests.
set(EXO_FS_SOURCES
  servers/fs/after.c
  servers/fs/arch/${EXO_ARCH}/cpuinfo.c
  servers/fs/archive.c
  servers/fs/attr.c
  servers/fs/caller.c
  servers/fs/changes.c
  servers/fs/data.c
  servers/fs/events.c
  servers/fs/fifo.c
  servers/fs/file.c
  servers/fs/inode.c
  servers/fs/lock.c
  servers/fs/mount.c
  servers/fs/mounted.c
  servers/fs/names.c
  servers/fs/notify.c
  servers/fs/parcel.c
  servers/fs/seal.c
  servers/fs/path.c
  servers/fs/proc.c
  servers/fs/proc_process.c
  servers/fs/proc_services.c
  servers/fs/proc_system.c
  servers/fs/readdir.c
  servers/fs/recover.c
  servers/fs/request.c
  servers/fs/runs.c
  servers/fs/tree.c
  servers/fs/volume.c
  servers/fs/writeback.c
)
exo_server(fs
  servers/fs/disk.c
  servers/fs/disk_volume.c
  servers/fs/heap.c
  servers/fs/main.c
  servers/fs/port.c
  ${EXO_FS_SOURCES}
)
# ext4 with a heap of its own, which ends with each life of fs: servers/fs/disk_volume.c.
exo_archive(servers_ext4 native_flags lib/heap.c ${EXO_EXT4_SOURCES})
foreach(name heap_alloc heap_zeroed heap_resize heap_free heap_source heap_use)
  target_compile_definitions(servers_ext4 PRIVATE ${name}=volume_${name})
endforeach()
target_link_libraries(fs PRIVATE servers_ext4)
exo_server(tty
  servers/tty/discipline.c
  servers/tty/editing.c
  servers/tty/ioctl.c
  servers/tty/job.c
  servers/tty/main.c
  servers/tty/open.c
  servers/tty/output.c
  servers/tty/peers.c
  servers/tty/serial.c
  servers/tty/terminal.c
  servers/tty/uart_16550.c
  servers/tty/uart_pl011.c
  servers/tty/window.c
)

# The demonstrations of libos/tiny.
exo_demo(tiny-bench libos/tiny/demo/bench.c)
exo_demo(tiny-rebirth libos/tiny/demo/rebirth.c)
exo_demo(tiny-pair libos/tiny/demo/pair.c)
exo_demo(tiny-threads libos/tiny/demo/threads.c)

# The POSIX LibOS.
if(EXISTS ${CMAKE_SOURCE_DIR}/libos/posix/arch/${EXO_ARCH})
exo_posix(
  libos/posix/arguments.c
  libos/posix/attend.c
  libos/posix/attributes.c
  libos/posix/blockdev.c
  libos/posix/claim.c
  libos/posix/clone.c
  libos/posix/core_dump.c
  libos/posix/device.c
  libos/posix/directory.c
  libos/posix/dispatch.c
  libos/posix/epoll.c
  libos/posix/event.c
  libos/posix/exec.c
  libos/posix/exit.c
  libos/posix/fdtable.c
  libos/posix/fifo.c
  libos/posix/file.c
  libos/posix/flock.c
  libos/posix/fork.c
  libos/posix/fsclient.c
  libos/posix/futex.c
  libos/posix/handover.c
  libos/posix/identity.c
  libos/posix/inotify.c
  libos/posix/ioctl.c
  libos/posix/limits.c
  libos/posix/load.c
  libos/posix/lock.c
  libos/posix/memory.c
  libos/posix/mmap.c
  libos/posix/message.c
  libos/posix/mqueue.c
  libos/posix/msg.c
  libos/posix/mount.c
  libos/posix/names.c
  libos/posix/ofd.c
  libos/posix/open.c
  libos/posix/parcel.c
  libos/posix/pidfd.c
  libos/posix/pipe.c
  libos/posix/poll.c
  libos/posix/process.c
  libos/posix/publish.c
  libos/posix/random.c
  libos/posix/record.c
  libos/posix/regular.c
  libos/posix/renew.c
  libos/posix/remap.c
  libos/posix/ring.c
  libos/posix/robust.c
  libos/posix/sem.c
  libos/posix/shm.c
  libos/posix/sigcalls.c
  libos/posix/signal.c
  libos/posix/signalfd.c
  libos/posix/timerfd.c
  libos/posix/socket.c
  libos/posix/splice.c
  libos/posix/start.c
  libos/posix/stream.c
  libos/posix/system.c
  libos/posix/sysv.c
  libos/posix/thread.c
  libos/posix/time.c
  libos/posix/timer.c
  libos/posix/trace.c
  libos/posix/trace_native.c
  libos/posix/tty.c
  libos/posix/unix.c
  libos/posix/usercopy.c
  libos/posix/vector.c
  libos/posix/vfork.c
  libos/posix/vma.c
  libos/posix/wait.c
  libos/posix/wait4.c
  libos/posix/window.c
  libos/exo/block.c
  ${EXO_MACHINE_POSIX_SOURCES}
  libos/posix/arch/${EXO_ARCH}/entry.S
  libos/posix/arch/${EXO_ARCH}/fault.c
  libos/posix/arch/${EXO_ARCH}/fpu.c
  libos/posix/arch/${EXO_ARCH}/sigframe.c
  libos/posix/arch/${EXO_ARCH}/usercopy.S
  libos/posix/arch/${EXO_ARCH}/vdso.S
)
endif()
