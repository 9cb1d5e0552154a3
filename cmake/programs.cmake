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
  exo_present(sources ${ARGN})
  if(NOT sources)
    return()
  endif()
  add_executable(${name} ${sources})
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

# The libraries under the programs.
exo_archive(libos_exo native_flags
  libos/exo/arch/${EXO_ARCH}/start.S
  libos/exo/ipc.c
  libos/exo/log.c
  libos/exo/memory.c
  libos/exo/options.c
  libos/exo/spawn.c
  libos/exo/start.c
  libos/exo/thread.c
)
exo_archive(libos_tiny native_flags
  libos/tiny/tiny.c
)

# The servers; init is the first file of the archive.
exo_server(init
  servers/init/archive.c
  servers/init/command.c
  servers/init/main.c
  servers/init/native.c
  servers/init/passwd.c
  servers/init/rights.c
  servers/init/services.c
  servers/init/session.c
  servers/init/watch.c
  libos/posix/handover.c
)
exo_server(proc servers/proc/main.c)
exo_server(fs servers/fs/main.c)
exo_server(tty servers/tty/main.c)

# The demonstrations of libos/tiny.

# The POSIX LibOS.
exo_posix(
  libos/posix/start.S
)
