# tenon_bench_peers: the bench program with the other systems of bench/peers beside Tenon. Their
# libraries are Debian's (tools/setup.sh bench); nothing else here needs them.

find_package(PkgConfig REQUIRED)
find_package(Protobuf REQUIRED)
pkg_check_modules(GRPC REQUIRED IMPORTED_TARGET grpc++)
pkg_check_modules(CAPNP REQUIRED IMPORTED_TARGET capnp-rpc)
pkg_check_modules(ZEROMQ REQUIRED IMPORTED_TARGET libzmq)
pkg_check_modules(SDBUS REQUIRED IMPORTED_TARGET sdbus-c++)
find_library(NNG_LIBRARY nng REQUIRED)
find_program(CAPNP_COMPILER capnp REQUIRED)
find_program(GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)

set(peers_dir ${PROJECT_SOURCE_DIR}/bench/peers)
set(generated_dir ${PROJECT_BINARY_DIR}/peers)
file(MAKE_DIRECTORY ${generated_dir})
add_custom_command(
    OUTPUT ${generated_dir}/echo.capnp.c++ ${generated_dir}/echo.capnp.h
    COMMAND ${CAPNP_COMPILER} compile -oc++:${generated_dir} --src-prefix=${peers_dir}
            ${peers_dir}/echo.capnp
    DEPENDS ${peers_dir}/echo.capnp)
set(grpc_generated)
foreach(kind IN ITEMS pb grpc.pb)
    list(APPEND grpc_generated ${generated_dir}/echo.${kind}.cc ${generated_dir}/echo.${kind}.h)
endforeach()
add_custom_command(
    OUTPUT ${grpc_generated}
    COMMAND protobuf::protoc -I ${peers_dir} --cpp_out=${generated_dir} --grpc_out=${generated_dir}
            --plugin=protoc-gen-grpc=${GRPC_CPP_PLUGIN} ${peers_dir}/echo.proto
    DEPENDS ${peers_dir}/echo.proto)

# What is generated is compiled without our warnings, and its headers are the system's.
add_library(tenon_peers_generated OBJECT ${generated_dir}/echo.capnp.c++ ${grpc_generated})
target_include_directories(tenon_peers_generated SYSTEM PUBLIC ${generated_dir})
target_link_libraries(tenon_peers_generated PUBLIC
    PkgConfig::GRPC PkgConfig::CAPNP protobuf::libprotobuf)

file(GLOB peers_sources CONFIGURE_DEPENDS ${peers_dir}/*.cpp)
set(bench_parts ${bench_sources})
list(FILTER bench_parts EXCLUDE REGEX "/main\\.cpp$")
add_executable(tenon_bench_peers ${bench_parts} ${peers_sources})
set_target_properties(tenon_bench_peers PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
target_include_directories(tenon_bench_peers PRIVATE ${PROJECT_SOURCE_DIR}/bench ${peers_dir})
target_link_libraries(tenon_bench_peers PRIVATE
    tenon tenon_settings fmt::fmt tenon_peers_generated PkgConfig::ZEROMQ PkgConfig::SDBUS
    ${NNG_LIBRARY})
