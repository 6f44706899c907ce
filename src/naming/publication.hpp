#pragma once
// publication: a server's services under their names, in the process and in the runtime directory,
// as long as the server runs.

#include <memory>
#include <string>
#include <vector>

#include "naming/directory.hpp"
#include "rpc/server_core.hpp"

namespace tenon::inline v0::naming {

class publication final : public rpc::server_part {
public:
    void on_start(rpc::server_core& server) override;
    void on_stop() noexcept override;

private:
    /// A description that is to be removed.
    struct published_file {
        base::unique_fd directory;
        std::string name;
    };

    void publish_in_directory(rpc::server_core& server, const rpc::published_service& service);

    rpc::server_core* server_ = nullptr;
    std::string base_;
    std::vector<std::string> names_;  // in the process table
    std::vector<published_file> files_;
};

}  // namespace tenon::inline v0::naming
