# SPDX-License-Identifier: MIT
#
# Targets that run what was built: qemu, qemu-gdb, bench. (`test` is ctest's own.) And the gdb
# script BUILD/exo.gdb.

# The disk of `make qemu` is the user's from its first start on: a new build leaves it alone.
set(EXO_IMAGE min CACHE STRING "the image that the target qemu starts: min or dev")
set(disk ${CMAKE_BINARY_DIR}/disk/${EXO_IMAGE})
add_custom_command(OUTPUT ${disk}
  COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/disk
  COMMAND cp --sparse=always ${CMAKE_BINARY_DIR}/image/${EXO_IMAGE}.ext4 ${disk}
  COMMENT "a disk with the image ${EXO_IMAGE}" VERBATIM)
add_custom_target(qemu
  COMMAND ${CMAKE_SOURCE_DIR}/tools/exo-run --build ${CMAKE_BINARY_DIR} --login --root ${disk}
  DEPENDS ${disk} USES_TERMINAL VERBATIM)
add_dependencies(qemu disk-${EXO_IMAGE})
add_custom_target(qemu-gdb
  COMMAND ${CMAKE_COMMAND} -E echo "waiting for gdb: gdb kernel.elf, then target remote localhost:1234"
  COMMAND ${CMAKE_SOURCE_DIR}/tools/exo-run --build ${CMAKE_BINARY_DIR} --login --gdb
  USES_TERMINAL VERBATIM)
add_custom_target(bench
  COMMAND ${CMAKE_SOURCE_DIR}/bench/run --build ${CMAKE_BINARY_DIR}
  USES_TERMINAL VERBATIM)
foreach(target qemu qemu-gdb bench)
  add_dependencies(${target} image)
  if(TARGET kernel)
    add_dependencies(${target} kernel)
  endif()
endforeach()

# Symbols of what runs above the kernel. Every program of ours is linked at a fixed address, so its
# file alone says where it is; a foreign program is placed by hand.
set(lines "# Made by cmake. In gdb, after `gdb kernel.elf`: source ${CMAKE_BINARY_DIR}/exo.gdb\n")
foreach(entry IN LISTS EXO_IMAGE_FILES)
  string(REGEX REPLACE "=.*$" "" path ${entry})
  get_filename_component(name ${path} NAME)
  if(TARGET ${name} AND NOT path MATCHES "/(rights|demo)/")
    string(APPEND lines "add-symbol-file ${CMAKE_BINARY_DIR}/sys/${name}\n")
  endif()
endforeach()
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/exo.gdb @ONLY CONTENT "set confirm off
@lines@
define exo-program
  if $argc == 2
    add-symbol-file $arg0 -o $arg1
  else
    add-symbol-file $arg0
  end
end
document exo-program
exo-program FILE [OFFSET]: adds the symbols of a named program, for instance
  exo-program @CMAKE_BINARY_DIR@/sys/hello
OFFSET is what its addresses were moved by (position-independent programs).
end
define exo-connect
  target remote localhost:1234
end
document exo-connect
Connects to the machine that `make qemu-gdb` started.
end
set confirm on
")
