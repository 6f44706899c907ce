#pragma once
// What a server knows of its clients: sessions (their connections) and the streams in them. To each
// the program may attach objects of its own, one of each type:
//
//     server.on_connected([](tenon::session& s) { s.put<statistics>(); });
//     f.login = [](tenon::context& ctx, const std::string& name) { ctx.session().put<user>(name); };
//     f.chat = [](tenon::context& ctx, tenon::duplex<said, heard> s) {
//         const auto who = ctx.session().get<user>();           // null if nobody has put one
//         ctx.stream().put<transcript>(); …

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include "tenon/context.hpp"
#include "tenon/export.hpp"
#include "tenon/result.hpp"

namespace tenon::inline v0 {

class value;

namespace detail {
template <class T>
inline constexpr char object_key = 0;  // its address tells types apart
}  // namespace detail

/// Objects of the program's own, one of each type. Thread-safe; who has got one keeps it alive.
class TENON_API user_objects {
public:
    user_objects(const user_objects&) = delete;
    user_objects& operator=(const user_objects&) = delete;

    /// Makes a T, in place of the one that was there.
    template <class T, class... Args>
    std::shared_ptr<T> put(Args&&... args) {
        auto made = std::make_shared<T>(std::forward<Args>(args)...);
        set(&detail::object_key<T>, made);
        return made;
    }
    /// Null if there is none.
    template <class T>
    std::shared_ptr<T> get() const {
        return std::static_pointer_cast<T>(find(&detail::object_key<T>));
    }
    template <class T>
    void remove() {
        set(&detail::object_key<T>, nullptr);
    }

protected:
    user_objects() noexcept = default;
    ~user_objects();

private:
    struct table;

    std::shared_ptr<void> find(const void* key) const;
    void set(const void* key, std::shared_ptr<void> object);
    table& made_table();

    std::atomic<table*> table_{nullptr};
};

/// One connection of a client; in process, one client. The objects go with it.
class TENON_API session : public user_objects {
public:
    virtual const peer_info& peer() const noexcept = 0;
    /// As connection_stats::id; 0 in process.
    virtual std::uint64_t id() const noexcept = 0;

    /// Sends a note to the client; see tenon/notes.hpp. While a handler or a callback of the session
    /// runs, and from then on until the session has disconnected. Errors: `unsupported` for a client
    /// that is not Tenon's, `unavailable` once it has gone, `invalid` as of send_note().
    virtual result<void> note(const value& content) = 0;

protected:
    ~session();
};

/// One stream of a source, sink or channel. The objects go with it.
class TENON_API served_stream : public user_objects {
public:
    /// "publisher/service.member".
    virtual std::string_view route() const noexcept = 0;
    virtual tenon::session& session() noexcept = 0;

protected:
    ~served_stream();
};

}  // namespace tenon::inline v0
