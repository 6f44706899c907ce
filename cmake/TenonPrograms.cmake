# The tenon program, the examples and the bench program; the target `programs` is all of them. They
# run from the build tree.

add_custom_target(programs)

file(GLOB app_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/app/*.cpp)
list(FILTER app_sources EXCLUDE REGEX "_test\\.cpp$")
if(app_sources)
    find_package(CLI11 REQUIRED)
    add_executable(tenon_program ${app_sources})
    set_target_properties(tenon_program PROPERTIES
        OUTPUT_NAME tenon
        RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}
        INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
    target_include_directories(tenon_program PRIVATE ${PROJECT_SOURCE_DIR}/app)
    target_compile_definitions(tenon_program PRIVATE TENON_VERSION="${PROJECT_VERSION}")
    target_link_libraries(tenon_program PRIVATE tenon tenon_settings CLI11::CLI11 fmt::fmt)
    add_dependencies(programs tenon_program)
endif()

# examples/NAME.cpp and examples/topic/NAME.cpp become examples/NAME; in a numbered folder
# examples/NN_topic/main.cpp becomes NN_topic, any other file NN_topic_FILE.
set(tenon_example_targets)
if(TENON_EXAMPLES)
    find_package(SQLite3 QUIET)  # of one of them
    file(GLOB example_sources CONFIGURE_DEPENDS
        ${PROJECT_SOURCE_DIR}/examples/*.cpp ${PROJECT_SOURCE_DIR}/examples/*/*.cpp)
    foreach(source IN LISTS example_sources)
        cmake_path(GET source STEM name)
        cmake_path(GET source PARENT_PATH folder)
        cmake_path(GET folder FILENAME folder)
        if(name STREQUAL main)
            set(name ${folder})
        elseif(folder MATCHES "^[0-9]" AND NOT name MATCHES "^[0-9]")
            set(name ${folder}_${name})
        endif()
        add_executable(example_${name} ${source})
        set_target_properties(example_${name} PROPERTIES
            OUTPUT_NAME ${name}
            RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/examples)
        target_link_libraries(example_${name} PRIVATE tenon tenon_settings)
        if(name STREQUAL "21_sqlite" AND SQLite3_FOUND)
            target_link_libraries(example_${name} PRIVATE SQLite::SQLite3)
        endif()
        add_dependencies(programs example_${name})
        list(APPEND tenon_example_targets example_${name})
    endforeach()
endif()

if(TENON_BENCH)
    file(GLOB bench_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bench/*.cpp)
    if(bench_sources)
        add_executable(tenon_bench ${bench_sources})
        set_target_properties(tenon_bench PROPERTIES
            RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
        target_include_directories(tenon_bench PRIVATE ${PROJECT_SOURCE_DIR}/bench)
        target_link_libraries(tenon_bench PRIVATE tenon tenon_settings fmt::fmt)
        add_dependencies(programs tenon_bench)
        if(TENON_BENCH_PEERS)
            include(TenonPeers)
        endif()
    endif()
endif()
