# Language, flags and places that hold for every target.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_INTERPROCEDURAL_OPTIMIZATION OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_BUILD_RPATH_USE_ORIGIN ON)
set_property(GLOBAL PROPERTY USE_FOLDERS ON)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Kind of build" FORCE)
endif()

# Asserts stay in debug and sanitizer builds (plain -g, or set by the preset); line tables stay everywhere, so that a stack
# trace from the field is readable.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")

if(NOT CMAKE_CXX_COMPILER_LAUNCHER)
    find_program(CCACHE_PROGRAM ccache)
    mark_as_advanced(CCACHE_PROGRAM)
    if(CCACHE_PROGRAM)
        set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
    endif()
endif()

find_package(Threads REQUIRED)

# tenon_settings: flags for our own code, never seen by users of the library.
add_library(tenon_settings INTERFACE)
# g++ 12's plain -Wshadow also objects to scoped enumerators that are named like a type.
target_compile_options(tenon_settings INTERFACE
    -Wall -Wextra $<IF:$<CXX_COMPILER_ID:GNU>,-Wshadow=local,-Wshadow>)
if(TENON_WERROR)
    target_compile_options(tenon_settings INTERFACE -Werror)
endif()
if(TENON_SANITIZE)
    target_compile_options(tenon_settings INTERFACE
        -fsanitize=${TENON_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    target_link_options(tenon_settings INTERFACE -fsanitize=${TENON_SANITIZE})
    if(TENON_SANITIZE MATCHES undefined)
        # This check opens a pipe to look at memory, and reports nonsense where descriptors are used
        # up, as tests do.
        target_compile_options(tenon_settings INTERFACE -fno-sanitize=vptr)
    endif()
    if(CMAKE_CXX_COMPILER_ID STREQUAL Clang)
        # clang 14 cannot emit this check for coroutines ("difference across sections").
        target_compile_options(tenon_settings INTERFACE -fno-sanitize=function)
    endif()
    if(TENON_SANITIZE MATCHES thread AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
        # Fences are not modelled by TSan; g++ warns at each.
        target_compile_options(tenon_settings INTERFACE -Wno-tsan)
    endif()
endif()
