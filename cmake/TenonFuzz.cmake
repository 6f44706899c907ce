# One libFuzzer program fuzz_NAME for each src/**/NAME_fuzz.cpp.

if(NOT CMAKE_CXX_COMPILER_ID STREQUAL Clang)
    message(FATAL_ERROR "Fuzz targets need clang: cmake --preset fuzz")
endif()
target_compile_options(tenon_objects PRIVATE -fsanitize=fuzzer-no-link)

foreach(source IN LISTS fuzz_sources)
    cmake_path(GET source STEM name)
    string(REGEX REPLACE "_fuzz$" "" name ${name})
    add_executable(fuzz_${name} ${source})
    target_compile_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    target_link_libraries(fuzz_${name} PRIVATE tenon_settings tenon_internal)
endforeach()
