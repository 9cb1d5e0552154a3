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

# exo_image(NAME LOCK): the target image-NAME, made from image/NAME.recipe and image/LOCK.ARCH.lock.
function(exo_image name lock)
  set(root ${CMAKE_BINARY_DIR}/image/${name}.root)
  set(image ${CMAKE_BINARY_DIR}/image/${name}.cpio)
  add_custom_command(OUTPUT ${root}
    COMMAND ${EXO_PYTHON} ${CMAKE_SOURCE_DIR}/image/build --arch ${EXO_ARCH} root ${name} ${root}
    DEPENDS ${image_inputs} ${image_files} ${CMAKE_SOURCE_DIR}/image/${name}.recipe ${lock}
    COMMENT "Debian part of the image ${name}" VERBATIM)
  add_custom_command(OUTPUT ${image}
    COMMAND ${EXO_PYTHON} ${CMAKE_SOURCE_DIR}/image/build pack ${root} ${image} ${own}
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
exo_image(dev "")

# `dev` is large and built when asked; the other two belong to every build.
add_custom_target(image ALL)
add_dependencies(image image-min image-busybox disk-min)
