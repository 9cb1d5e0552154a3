# SPDX-License-Identifier: MIT
#
# Every test, each a ctest test of its own name:
#   unit/NAME    tests/c17/unit/test_NAME.c on the host, under the sanitizers (label unit)
#   guest/NAME   a function of tests/guest/test_*.py, as listed in tests/guest/list (label guest)
#   smp2/NAME    the same with 2 processors, smp4/NAME with 4 (label guest; most are long)
#   guest/calls-NAME  tests/guest/calls/NAME.c, in place of init (label guest)
#   model/NAME   proofs/memory/protocols/NAME.py: a protocol under weak memory ordering (label model)
#                or proofs/models/NAME.pml: a protocol with deaths, in SPIN (label model)
#   prove/NAME   a file of the kernel, proved in C (label prove)
#   check/NAME   a rule about the source tree (label check)
# The label "long" keeps a test out of `make test`. In a build for another architecture than x86_64 the
# names begin with ARCH/, and what does not depend on the architecture is left out.

if(EXO_ARCH STREQUAL "x86_64")
  set(EXO_TEST_PREFIX "")
  add_subdirectory(tests/c17/unit)
else()
  set(EXO_TEST_PREFIX ${EXO_ARCH}/)
endif()
add_subdirectory(tests/guest)
add_subdirectory(tests/guest/calls)
add_subdirectory(tests/guest/mortal)
add_subdirectory(tests/guest/services)

# exo_check(NAME COMMAND...)
function(exo_check name)
  add_test(NAME ${EXO_TEST_PREFIX}check/${name} COMMAND ${ARGN} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(${EXO_TEST_PREFIX}check/${name} PROPERTIES LABELS check TIMEOUT 120 SKIP_RETURN_CODE 77)
endfunction()

exo_check(hal ${CMAKE_SOURCE_DIR}/tools/check-hal --build ${CMAKE_BINARY_DIR})
if(EXO_ARCH STREQUAL "x86_64")
exo_check(layers ${CMAKE_SOURCE_DIR}/tools/check-layers)
exo_check(format ${CMAKE_SOURCE_DIR}/tools/check-format)
exo_check(spdx ${CMAKE_SOURCE_DIR}/tools/check-spdx)
exo_check(calls ${CMAKE_SOURCE_DIR}/tools/check-calls)
exo_check(posix-page ${CMAKE_SOURCE_DIR}/tools/posix-calls --check)
exo_check(commit ${CMAKE_SOURCE_DIR}/tools/check-commit)
exo_check(setup ${CMAKE_SOURCE_DIR}/tools/check-setup)
exo_check(guides ${CMAKE_SOURCE_DIR}/tools/check-guides)
set_tests_properties(check/guides PROPERTIES TIMEOUT 600 PROCESSORS 2)
exo_check(guest-list ${EXO_PYTHON} ${CMAKE_SOURCE_DIR}/tests/guest/run --check-list)
exo_check(image-twice ${CMAKE_SOURCE_DIR}/tools/check-image ${CMAKE_BINARY_DIR})
endif()

# Memory protocols. They are of all architectures at once.
if(EXO_ARCH STREQUAL "x86_64")
  file(GLOB protocols CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/proofs/memory/protocols/*.py)
  foreach(protocol IN LISTS protocols)
    get_filename_component(name ${protocol} NAME_WE)
    add_test(NAME model/${name}
      COMMAND ${EXO_PYTHON} ${CMAKE_SOURCE_DIR}/proofs/memory/check ${name})
    set_tests_properties(model/${name} PROPERTIES LABELS model TIMEOUT 180)
  endforeach()
  file(GLOB models CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/proofs/models/*.pml)
  foreach(model IN LISTS models)
    get_filename_component(name ${model} NAME_WE)
    add_test(NAME model/${name}
      COMMAND ${EXO_PYTHON} ${CMAKE_SOURCE_DIR}/proofs/models/check ${name})
    set_tests_properties(model/${name} PROPERTIES LABELS model TIMEOUT 600 SKIP_RETURN_CODE 77)
  endforeach()
endif()

# Proofs. What they speak of is portable C.
if(EXO_ARCH STREQUAL "x86_64")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS proofs/modules)
  file(STRINGS proofs/modules modules REGEX "^module ")
  foreach(line IN LISTS modules)
    separate_arguments(words UNIX_COMMAND "${line}")
    list(GET words 1 file)
    get_filename_component(name ${file} NAME_WE)
    add_test(NAME prove/${name} COMMAND ${EXO_PYTHON} ${CMAKE_SOURCE_DIR}/proofs/prove ${file})
    set_tests_properties(prove/${name} PROPERTIES LABELS prove TIMEOUT 900 PROCESSORS 2
      SKIP_RETURN_CODE 77)
  endforeach()
endif()

if(EXO_ARCH STREQUAL "x86_64")
  add_test(NAME prove/bits COMMAND ${EXO_PYTHON} ${CMAKE_SOURCE_DIR}/proofs/bits)
  add_test(NAME prove/mutants
    COMMAND ${EXO_PYTHON} ${CMAKE_SOURCE_DIR}/proofs/mutants --build ${CMAKE_BINARY_DIR})
  set_tests_properties(prove/bits PROPERTIES LABELS prove TIMEOUT 300)
  set_tests_properties(prove/mutants PROPERTIES LABELS prove TIMEOUT 900)
endif()

if(EXO_ARCH STREQUAL "x86_64" AND CMAKE_HOST_SYSTEM_PROCESSOR STREQUAL "x86_64")
  foreach(name cap policy)
    add_test(NAME prove/${name}_bounded
      COMMAND ${CMAKE_SOURCE_DIR}/proofs/bounded/check ${CMAKE_BINARY_DIR}/cbmc ${name})
    set_tests_properties(prove/${name}_bounded PROPERTIES LABELS "prove;long" TIMEOUT 900
      RESOURCE_LOCK cbmc)
  endforeach()
endif()

# exo_guest_test(TEST CPUS LABELS): the line's test `name`, on a machine of so many processors.
function(exo_guest_test test cpus labels)
  set(test ${EXO_TEST_PREFIX}${test})
  add_test(NAME ${test}
    COMMAND ${EXO_PYTHON} ${CMAKE_SOURCE_DIR}/tests/guest/run --build ${CMAKE_BINARY_DIR} ${name})
  set_tests_properties(${test} PROPERTIES LABELS "${labels}" TIMEOUT ${seconds}
    SKIP_RETURN_CODE 77 ENVIRONMENT EXO_SMP=${cpus})
  if("alone" IN_LIST words)
    set_tests_properties(${test} PROPERTIES RUN_SERIAL TRUE)
  endif()
endfunction()

# Guest tests: lines of NAME SECONDS [word]..., with "#" before what is not run.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS tests/guest/list)
file(STRINGS tests/guest/list lines REGEX "^[a-z]")
foreach(line IN LISTS lines)
  separate_arguments(words UNIX_COMMAND "${line}")
  list(POP_FRONT words name seconds)
  if("utcb" IN_LIST words AND EXO_ARCH STREQUAL "riscv64")
    continue()
  endif()
  set(labels guest)
  if("long" IN_LIST words)
    list(APPEND labels long)
  endif()
  exo_guest_test(guest/${name} 1 "${labels}")
  # With more processors, but where the test chooses their number itself, or counts instructions.
  if(NOT "cpus" IN_LIST words)
    exo_guest_test(smp2/${name} 2 "guest;long")
    if("smp" IN_LIST words)
      exo_guest_test(smp4/${name} 4 guest)
    else()
      exo_guest_test(smp4/${name} 4 "guest;long")
    endif()
  endif()
endforeach()

# The figures of bench/targets.ARCH.tsv, and the native ones. Counted in instructions, so the same on any
# host.
add_test(NAME ${EXO_TEST_PREFIX}bench/targets
  COMMAND ${CMAKE_SOURCE_DIR}/bench/run --build ${CMAKE_BINARY_DIR} --check)
set_tests_properties(${EXO_TEST_PREFIX}bench/targets PROPERTIES LABELS bench TIMEOUT 900)
