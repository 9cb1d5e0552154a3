# SPDX-License-Identifier: MIT
#
# The root file systems BUILD/image/NAME.cpio, in two layers: the Debian part (slow, kept in a
# cache by image/build) and our own programs (fast, at each build), which come first.

set(image_inputs ${CMAKE_SOURCE_DIR}/image/build ${CMAKE_SOURCE_DIR}/tools/newc.py
  ${CMAKE_SOURCE_DIR}/image/exclude)
file(GLOB_RECURSE image_files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/image/files/*)
set(own ${EXO_IMAGE_FILES} usr/bin/rsctl=${CMAKE_SOURCE_DIR}/servers/init/rsctl
  usr/bin/exo-trace=${CMAKE_SOURCE_DIR}/tools/guest/exo-trace)
set(own_files ${own})
list(TRANSFORM own_files REPLACE "^[^=]*=" "")
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/image/own)

# What a compiler in the guest needs: `cc counter.c -lexo` makes native calls beside Linux's; with -ltiny,
# -lnative and usr/lib/exo/user.ld it makes native programs.
set(development usr/lib/exo/user.ld=${CMAKE_SOURCE_DIR}/libos/exo/user.ld)
foreach(library exo=libos_exo tiny=libos_tiny native=lib_native)
  string(REPLACE "=" ";" pair ${library})
  list(GET pair 0 name)
  list(GET pair 1 target)
  list(APPEND development usr/lib/lib${name}.a=$<TARGET_FILE:${target}>)
endforeach()
foreach(folder include= include/exo=exo/ include/proto=proto/ lib=lib/ lib/linux=lib/linux/
    include/machine/${EXO_ARCH}/exo_machine=exo_machine/ libos/exo=libos/exo/
    libos/exo/arch/${EXO_ARCH}= libos/tiny=libos/tiny/)
  string(REGEX MATCH "^([^=]*)=(.*)$" match ${folder})
  set(to ${CMAKE_MATCH_2})
  file(GLOB headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${CMAKE_MATCH_1}/*.h
    ${CMAKE_SOURCE_DIR}/${CMAKE_MATCH_1}/*.def)
  foreach(header ${headers})
    get_filename_component(base ${header} NAME)
    list(APPEND development usr/include/${to}${base}=${header})
  endforeach()
endforeach()

# exo_image(NAME LOCK [PATH=FILE...]): the target image-NAME, made from image/NAME.recipe,
# image/LOCK.ARCH.lock, our own programs, and other files.
function(exo_image name lock)
  set(root ${CMAKE_BINARY_DIR}/image/${name}.root)
  set(image ${CMAKE_BINARY_DIR}/image/${name}.cpio)
  add_custom_command(OUTPUT ${root}
    COMMAND ${EXO_PYTHON} ${CMAKE_SOURCE_DIR}/image/build --arch ${EXO_ARCH} root ${name} ${root}
    DEPENDS ${image_inputs} ${image_files} ${CMAKE_SOURCE_DIR}/image/${name}.recipe ${lock}
    COMMENT "Debian part of the image ${name}" VERBATIM)
  add_custom_command(OUTPUT ${image}
    COMMAND ${EXO_PYTHON} ${CMAKE_SOURCE_DIR}/image/build pack ${root} ${image} ${own} ${ARGN}
    DEPENDS ${root} ${own_files} ${image_inputs}
    COMMENT "image ${name}" VERBATIM)
  add_custom_target(image-${name} DEPENDS ${image})
  # The same on a disk, with BUILD/image/boot.cpio to start from: exo-run --root NAME.
  set(disk ${CMAKE_BINARY_DIR}/image/${name}.ext4)
  add_custom_command(OUTPUT ${disk}
    COMMAND ${EXO_PYTHON} ${CMAKE_SOURCE_DIR}/image/build disk ${image} ${disk}
    DEPENDS ${image} ${image_inputs}
    COMMENT "image ${name} on a disk" VERBATIM)
  add_custom_target(disk-${name} DEPENDS ${disk} ${CMAKE_BINARY_DIR}/image/boot.cpio)
endfunction()

add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/image/boot.cpio
  COMMAND ${EXO_PYTHON} ${CMAKE_SOURCE_DIR}/image/build pack - ${CMAKE_BINARY_DIR}/image/boot.cpio ${own}
  DEPENDS ${own_files} ${image_inputs}
  COMMENT "what a root on a disk is started from" VERBATIM)

exo_image(min ${CMAKE_SOURCE_DIR}/image/min.${EXO_ARCH}.lock)
exo_image(busybox ${CMAKE_SOURCE_DIR}/image/min.${EXO_ARCH}.lock)
exo_image(dev "" ${development})

# `dev` is large and built when asked; the other two belong to every build.
add_custom_target(image ALL)
add_dependencies(image image-min image-busybox disk-min)
