// A server's session that outlives its link: see docs/design/resume.md.
//
// The client comes back on a new connection, which says RESUME and hands its link to the connection
// that has the session.

#include <algorithm>

#include "rpc/server_connection.hpp"
#include "rpc/server_core.hpp"

namespace tenon::inline v0::rpc {

namespace {

/// Of frames after SETUP: one that holds a whole message has 13 bytes in front of it at most.
std::size_t frame_limit_of(const limits& l) {
    return std::min(wire::max_frame_size - 13, l.message) + 13;
}

}  // namespace

void server_connection::prepare_reader() noexcept {
    reader_.set_limit(frame_limit_of(server_->options().limits));
    if (!resume_token_.empty()) reader_.take_whole_frames();
}

// False: the session has been refused.
bool server_connection::enlist(bytes_view token) {
    resume_token_ = as_text(token);
    const std::string why = server_->enlist(*this);
    if (why.empty()) return true;
    resume_token_.clear();
    const std::lock_guard lock(mutex_);
    session_->close(wire::error_code::rejected_setup, why);
    end_session();
    return false;
}

void server_connection::on_resume(const wire::frame& f) {
    const wire::resume_fields client = wire::resume_of(f);
    server_connection* const other = server_->find_resumable(client.token, peer_key_);
    result<void> may = error(errc::not_found, "there is no such session");
    if (other) may = other->may_resume(client);
    if (may && reader_.unfinished() != 0) may = error(errc::invalid, "more came behind RESUME");
    if (!may) {
        const std::lock_guard lock(mutex_);
        session_->close(wire::error_code::rejected_resume, may.error().message());
        end_session();
    } else {
        loop_.remove(*this);
        std::unique_ptr<transport::link> link;
        {
            const std::lock_guard lock(mutex_);
            connected_ = false;  // and nothing was ever written
            memory_.reset();
            link = std::move(link_);
        }
        other->adopt(std::move(link), client);
        closing_ = true;
        loop_.make_ready(*this);
    }
    if (other) other->release();
}

result<void> server_connection::may_resume(const wire::resume_fields& client) {
    const std::lock_guard lock(mutex_);
    return session_->may_resume(client);
}

void server_connection::adopt(std::unique_ptr<transport::link> link,
                              const wire::resume_fields& client) {
    {
        const std::lock_guard lock(mutex_);
        next_link_ = std::move(link);
        came_back_with_ = client;
        came_back_with_.token = {};
    }
    post(change_link);
}

// Goes on without a link. False: that is the end.
bool server_connection::lose_link() {
    if (detached_) return true;
    loop_.unwatch(*this);  // not remove(): close(), which may follow, runs user code
    flush_work_.unlink();
    std::unique_lock lock(mutex_);
    close_link(lock);
    if (draining_ || !session_->detach(loop_.now())) return false;
    detached_ = true;
    full_ = stalled_ = starved_ = unfinished_ = false;
    short_read_ = end_behind_ = hung_up_ = false;
    reader_ = wire::frame_reader();
    prepare_reader();
    arm();
    return true;
}

void server_connection::take_link() {
    std::unique_ptr<transport::link> link;
    {
        const std::lock_guard lock(mutex_);
        link = std::move(next_link_);
    }
    // If it cannot be, the link just ends. The client will try again, and be told.
    if (!link || closing_ || ending_ || draining_) return;
    if (!lose_link()) {
        closing_ = true;
        return loop_.make_ready(*this);
    }
    {
        const std::lock_guard lock(mutex_);
        if (!session_->resume(came_back_with_, loop_.now())) return;
        link_ = std::move(link);
        connected_ = true;
        ++resumed_;
        detached_ = false;
        arm();
    }
    if (!loop_.watch(*this, link_->fd())) closing_ = !lose_link();
    loop_.defer(flush_work_);
    loop_.make_ready(*this);
}

}  // namespace tenon::inline v0::rpc
