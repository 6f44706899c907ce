# The library: compiled once into objects, from which come
#   tenon            libtenon.so.0, what users link (only what TENON_API marks is visible)
#   tenon_internal   a static archive with everything visible, for tests that use private headers

find_package(fmt REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(ZLIB REQUIRED)

file(GLOB_RECURSE tenon_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/*.cpp)
list(FILTER tenon_sources EXCLUDE REGEX "_(test|fuzz)\\.cpp$")
if(TENON_FUZZ)
    # Only the layers up to the highest one that has a fuzz target.
    set(layers base loop value codec journal manifest wire transport rpc compat naming)
    file(GLOB_RECURSE fuzz_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/*_fuzz.cpp)
    list(POP_BACK layers highest)
    while(layers AND NOT fuzz_sources MATCHES "/src/${highest}/")
        list(POP_BACK layers highest)
    endwhile()
    list(APPEND layers ${highest})
    list(JOIN layers "|" layers)
    list(FILTER tenon_sources INCLUDE REGEX "/src/(${layers})/")
endif()

add_library(tenon_objects OBJECT ${tenon_sources})
target_include_directories(tenon_objects
    PUBLIC ${PROJECT_SOURCE_DIR}/include
    PRIVATE ${PROJECT_SOURCE_DIR}/src)
set_target_properties(tenon_objects PROPERTIES
    POSITION_INDEPENDENT_CODE ON
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON)
target_link_libraries(tenon_objects PRIVATE tenon_settings fmt::fmt OpenSSL::Crypto
    ZLIB::ZLIB Threads::Threads)
set_source_files_properties(${PROJECT_SOURCE_DIR}/src/rpc/control.cpp PROPERTIES
    COMPILE_DEFINITIONS TENON_VERSION="${PROJECT_VERSION}")

if(NOT TENON_FUZZ)
    add_library(tenon SHARED $<TARGET_OBJECTS:tenon_objects>)
    add_library(tenon::tenon ALIAS tenon)
    set_target_properties(tenon PROPERTIES
        VERSION ${PROJECT_VERSION} SOVERSION 0
        LINKER_LANGUAGE CXX
        LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
    target_compile_features(tenon PUBLIC cxx_std_20)
    target_include_directories(tenon PUBLIC
        $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
        $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    target_link_libraries(tenon PUBLIC Threads::Threads
        PRIVATE $<BUILD_INTERFACE:tenon_settings> fmt::fmt OpenSSL::Crypto ZLIB::ZLIB)
    if(NOT TENON_SANITIZE)
        target_link_options(tenon PRIVATE -Wl,--no-undefined)
    endif()
endif()

add_library(tenon_internal STATIC $<TARGET_OBJECTS:tenon_objects>)
set_target_properties(tenon_internal PROPERTIES LINKER_LANGUAGE CXX)
target_include_directories(tenon_internal INTERFACE
    ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
target_link_libraries(tenon_internal PUBLIC fmt::fmt OpenSSL::Crypto ZLIB::ZLIB
    Threads::Threads)
