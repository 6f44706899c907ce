# Unit tests: one program test_LAYER per folder of src/, with private headers, linked statically.
# End-to-end tests: one program e2e_NAME per tests/e2e/NAME_test.cpp, linked as a user would; they
# find the built programs by TENON_BIN_DIR and TENON_EXAMPLES_DIR.
#
# Each program is one ctest entry (starting a sanitized process per test case would take longer
# than the cases do). Labels: unit or e2e, and tsan for what shares state between threads; an
# end-to-end test asks for it by a line "// Labels: tsan". The target `tsan_tests` is all of those.

if(NOT TENON_TESTS)
    return()
endif()
enable_testing()
find_package(GTest REQUIRED)
find_package(simdjson QUIET)

add_custom_target(tsan_tests)

function(tenon_add_test name labels)
    set_target_properties(${name} PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
    target_link_libraries(${name} PRIVATE tenon_settings GTest::gtest GTest::gtest_main)
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES
        LABELS "${labels}"
        TIMEOUT 600
        # Programs that a test starts must not survive a finding either.
        ENVIRONMENT "GTEST_OUTPUT=json:${PROJECT_BINARY_DIR}/results/${name}.json;\
TENON_RUNTIME_DIR=${PROJECT_BINARY_DIR}/run/${name};\
UBSAN_OPTIONS=print_stacktrace=1;TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1")
    # Names that are published in tests stay there.
    file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/run/${name})
    if(e2e IN_LIST labels)
        # One at a time: they start several processes each and watch the clock.
        set_tests_properties(${name} PROPERTIES RESOURCE_LOCK e2e)
    endif()
    if(tsan IN_LIST labels)
        add_dependencies(tsan_tests ${name})
    endif()
endfunction()

file(GLOB_RECURSE unit_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/*_test.cpp)
set(layers)
foreach(source IN LISTS unit_sources)
    string(REGEX REPLACE "^.*/src/([^/]+)/.*$" "\\1" layer
        "${source}")
    list(APPEND layers ${layer})
    list(APPEND sources_of_${layer} ${source})
endforeach()
list(REMOVE_DUPLICATES layers)
foreach(layer IN LISTS layers)
    add_executable(test_${layer} ${sources_of_${layer}})
    target_link_libraries(test_${layer} PRIVATE tenon_internal)
    if(TARGET simdjson::simdjson)
        target_link_libraries(test_${layer} PRIVATE simdjson::simdjson)
    endif()
    set(labels unit)
    if(layer MATCHES "^(base|loop|journal|transport|rpc|naming)$")
        list(APPEND labels tsan)
    endif()
    tenon_add_test(test_${layer} "${labels}")
endforeach()

file(GLOB e2e_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/e2e/*.cpp)
set(e2e_tests ${e2e_sources})
list(FILTER e2e_tests INCLUDE REGEX "_test\\.cpp$")
list(FILTER e2e_sources EXCLUDE REGEX "_test\\.cpp$")
if(e2e_sources)
    add_library(e2e_support OBJECT ${e2e_sources})
    target_link_libraries(e2e_support PRIVATE tenon tenon_settings GTest::gtest)
    target_compile_definitions(e2e_support PRIVATE
        TENON_BIN_DIR="${PROJECT_BINARY_DIR}"
        TENON_EXAMPLES_DIR="${PROJECT_BINARY_DIR}/examples")
endif()
foreach(source IN LISTS e2e_tests)
    cmake_path(GET source STEM name)
    string(REGEX REPLACE "_test$" "" name ${name})
    add_executable(e2e_${name} ${source})
    target_link_libraries(e2e_${name} PRIVATE tenon)
    if(TARGET e2e_support)
        target_link_libraries(e2e_${name} PRIVATE e2e_support)
    endif()
    target_compile_definitions(e2e_${name} PRIVATE
        TENON_BIN_DIR="${PROJECT_BINARY_DIR}"
        TENON_EXAMPLES_DIR="${PROJECT_BINARY_DIR}/examples"
        TENON_E2E_DIR="${PROJECT_SOURCE_DIR}/tests/e2e")
    foreach(program IN ITEMS tenon_program ${tenon_example_targets})
        if(TARGET ${program})
            add_dependencies(e2e_${name} ${program})
        endif()
    endforeach()
    set(labels e2e)
    file(STRINGS ${source} marks REGEX "^// Labels:.*tsan")
    if(marks)
        list(APPEND labels tsan)
    endif()
    tenon_add_test(e2e_${name} "${labels}")
endforeach()
