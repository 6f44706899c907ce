#include "base/block.hpp"

#include <cstring>

namespace tenon::inline v0 {

namespace base {
namespace {

class buffer_block final : public block {
public:
    explicit buffer_block(byte_buffer&& buffer)
        : block(memory::own, {buffer.data(), buffer.capacity()}), buffer_(std::move(buffer)) {}

private:
    void dispose() noexcept override { delete this; }

    byte_buffer buffer_;
};

/// Around an object that owns its bytes.
template <class T>
class object_block final : public block {
public:
    // What it points to stays where it is when it is moved.
    explicit object_block(T&& o)
        : block(memory::own, std::as_writable_bytes(std::span(o.data(), o.size()))),
          object_(std::move(o)) {}

private:
    void dispose() noexcept override { delete this; }

    const T object_;
};

template <class T>
blob take_over(T&& from) {
    auto* const taken = new object_block<T>(std::move(from));
    return make_blob(block_ref(taken), taken->room());
}

}  // namespace

blob make_blob(bytes&& from) { return take_over(std::move(from)); }
blob make_blob(std::string&& from) {
    constexpr std::size_t stored_outside = 64;  // surely, from this size on
    return from.size() < stored_outside ? blob(as_bytes(from)) : take_over(std::move(from));
}

block_ref make_block(byte_buffer&& buffer) {
    return block_ref(new buffer_block(std::move(buffer)));
}

}  // namespace base

blob::blob(std::size_t size) { resize(size); }

blob::blob(bytes_view from) : blob(from.size()) {
    if (!from.empty()) std::memcpy(block_->room().data(), from.data(), from.size());
}

blob::blob(const blob& o) : blob(o.view()) {}

blob& blob::operator=(const blob& o) {
    if (this != &o) *this = blob(o);
    return *this;
}

blob& blob::operator=(blob&& o) noexcept {
    if (this == &o) return *this;
    reset();
    block_ = std::exchange(o.block_, nullptr);
    data_ = std::exchange(o.data_, nullptr);
    size_ = std::exchange(o.size_, 0);
    return *this;
}

std::span<std::byte> blob::edit() {
    if (block_ && !block_->is_writable()) *this = blob(view());
    return {const_cast<std::byte*>(data_), size_};
}

void blob::resize(std::size_t size) {
    const bool fits =
        block_ && block_->is_writable() &&
        size <= static_cast<std::size_t>(block_->room().data() + block_->room().size() - data_);
    if (fits || size <= size_) {
        size_ = size;
        return;
    }
    base::byte_buffer bigger(size);
    if (size_ != 0) std::memcpy(bigger.data(), data_, size_);
    std::byte* const at = bigger.data();
    detail::block* const fresh = base::make_block(std::move(bigger)).release();
    reset();
    block_ = fresh;
    data_ = at;
    size_ = size;
}

void blob::reset() noexcept {
    if (block_) block_->release();
    block_ = nullptr;
    data_ = nullptr;
    size_ = 0;
}

bool blob::is_shared() const noexcept { return block_ && block_->is_shared(); }

}  // namespace tenon::inline v0
