#pragma once
// What a server has counted, as text for Prometheus:
// https://prometheus.io/docs/instrumenting/exposition_formats/ (format 0.0.4)

#include <string>
#include <string_view>

#include "rpc/control.hpp"

namespace tenon::inline v0::rpc {

std::string metrics_of(const server_core& server, observer who);

/// The content of a label's quotes.
std::string escape_label(std::string_view text);

}  // namespace tenon::inline v0::rpc
