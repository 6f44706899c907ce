#pragma once
// For tests: a disk that dies at a chosen step, and then has no more of what was not synced than
// chance has it: writes are lost, torn at sectors, or there although earlier ones are not.

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/random.hpp"
#include "journal/storage.hpp"

namespace tenon::inline v0::journal {

class sim_disk {
public:
    enum class death { process, system };

    explicit sim_disk(std::uint64_t seed) : random_(seed) {}

    base::random_source& random() noexcept { return random_; }

    /// Every call that changes something is a step, from 1 on; dies in the middle of that one.
    void die_at(std::uint64_t step) noexcept { die_at_ = step; }
    std::uint64_t steps() const noexcept { return steps_; }
    bool is_dead() const noexcept { return dead_; }

    /// One in `n` writes fails for lack of space, having written some of it; 0: none.
    void fail_writes(unsigned n) noexcept { fail_writes_ = n; }
    /// The next file sync fails.
    void fail_next_sync() noexcept { fail_sync_ = true; }

    /// Alive again, with what is left. Everything opened before is useless.
    void restart(death how) {
        if (how == death::system) {
            boot_[0] = static_cast<std::byte>(std::to_integer<int>(boot_[0]) + 1);
            lose_names();
            for (auto& [name, n] : names_) lose_writes(*n);
            kept_names_ = names_;
            name_changes_.clear();
        }
        dead_ = false;
        die_at_ = 0;
        ++life_;
    }

    std::unique_ptr<storage> open();

    /// The content of a file, to be damaged.
    bytes& content(const std::string& name) { return names_.at(name)->current; }
    std::vector<std::string> list() const {
        std::vector<std::string> all;
        for (const auto& [name, n] : names_) all.push_back(name);
        return all;
    }

private:
    friend class sim_storage;
    friend class sim_file;

    struct change {  // a write, or cutting it to a size
        std::uint64_t at = 0;
        bytes data;
        bool is_cut = false;
    };
    struct node {
        bytes kept;
        bytes current;
        std::vector<change> pending;
    };
    using names = std::map<std::string, std::shared_ptr<node>>;

    static void apply(bytes& to, const change& c) {
        if (c.is_cut) {
            to.resize(static_cast<std::size_t>(c.at));
            return;
        }
        const auto end = static_cast<std::size_t>(c.at) + c.data.size();
        if (to.size() < end) to.resize(end);
        if (!c.data.empty()) std::memcpy(to.data() + c.at, c.data.data(), c.data.size());
    }

    /// False if this is the end, with the step half done.
    bool step() noexcept { return ++steps_ != die_at_; }

    void lose_names() {
        // File systems keep changes of names in order.
        name_changes_.resize(random_.below(name_changes_.size() + 1));
        names_ = name_changes_.empty() ? kept_names_ : name_changes_.back();
    }

    void lose_writes(node& n) {
        const auto manner = random_.below(4);  // all, none, the first ones, any
        const auto first = random_.below(n.pending.size() + 1);
        bytes left = n.kept;
        for (std::size_t i = 0; i < n.pending.size(); ++i) {
            if (manner == 1 || (manner == 2 && i >= first)) break;
            if (manner != 3) apply(left, n.pending[i]);
            else lose_parts(left, n.pending[i]);
        }
        n.current = n.kept = left;
        n.pending.clear();
    }

    void lose_parts(bytes& left, const change& c) {
        constexpr std::uint64_t sector = 512;
        switch (random_.below(3)) {
            case 0: return;
            case 1: apply(left, c); return;
            default: break;
        }
        if (c.is_cut) return;
        for (std::uint64_t at = c.at; at < c.at + c.data.size();) {
            const std::uint64_t end = std::min((at / sector + 1) * sector, c.at + c.data.size());
            const auto from = c.data.begin() + static_cast<std::ptrdiff_t>(at - c.at);
            const auto to = c.data.begin() + static_cast<std::ptrdiff_t>(end - c.at);
            // The size may have got to the disk without the data.
            if (random_.below(2) == 0) apply(left, {at, bytes(from, to)});
            else if (left.size() < end && random_.below(2) == 0) left.resize(end);
            at = end;
        }
    }

    std::recursive_mutex mutex_;  // logs have threads
    base::random_source random_;
    std::uint64_t steps_ = 0;
    std::uint64_t die_at_ = 0;
    bool dead_ = false;
    unsigned fail_writes_ = 0;
    bool fail_sync_ = false;
    unsigned life_ = 0;
    boot_id boot_{};
    names names_;
    names kept_names_;
    std::vector<names> name_changes_;  // since they were synced; all names after each
};

inline error sim_error() { return error(errc::unavailable, "the machine is dead"); }

class sim_file final : public file {
public:
    sim_file(sim_disk& d, std::shared_ptr<sim_disk::node> n) : d_(d), n_(std::move(n)) {}

    result<std::uint64_t> size() override {
        const std::lock_guard lock(d_.mutex_);
        if (is_useless()) return sim_error();
        return n_->current.size();
    }
    result<std::size_t> read(std::uint64_t offset, std::span<std::byte> into) override {
        const std::lock_guard lock(d_.mutex_);
        if (is_useless()) return sim_error();
        if (offset >= n_->current.size()) return std::size_t{0};
        const auto count = std::min<std::size_t>(into.size(), n_->current.size() - offset);
        if (count != 0) std::memcpy(into.data(), n_->current.data() + offset, count);
        return count;
    }
    result<void> write(std::uint64_t offset, std::span<const bytes_view> parts) override {
        const std::lock_guard lock(d_.mutex_);
        if (is_useless()) return sim_error();
        sim_disk::change c{offset, {}};
        for (const bytes_view p : parts) c.data.insert(c.data.end(), p.begin(), p.end());
        const bool alive = d_.step();
        const bool fails = d_.fail_writes_ != 0 && d_.random_.below(d_.fail_writes_) == 0;
        if (!alive || fails) c.data.resize(d_.random_.below(c.data.size() + 1));
        change(std::move(c));
        if (!alive) return die();
        if (fails) return error(errc::overloaded, "no space");
        return {};
    }
    result<void> truncate(std::uint64_t size) override {
        const std::lock_guard lock(d_.mutex_);
        if (is_useless()) return sim_error();
        const bool alive = d_.step();
        if (alive || d_.random_.below(2) == 0) change({size, {}, true});
        if (!alive) return die();
        return {};
    }
    result<void> sync() override {
        const std::lock_guard lock(d_.mutex_);
        if (is_useless()) return sim_error();
        const bool alive = d_.step();
        if (std::exchange(d_.fail_sync_, false)) return error(errc::unavailable, "bad disk");
        if (alive || d_.random_.below(2) == 0) {
            n_->kept = n_->current;
            n_->pending.clear();
        }
        if (!alive) return die();
        return {};
    }

private:
    bool is_useless() const noexcept { return d_.dead_ || life_ != d_.life_; }
    error die() {
        d_.dead_ = true;
        return sim_error();
    }
    void change(sim_disk::change c) {
        sim_disk::apply(n_->current, c);
        n_->pending.push_back(std::move(c));
    }

    sim_disk& d_;
    const std::shared_ptr<sim_disk::node> n_;
    const unsigned life_ = d_.life_;
};

class sim_storage final : public storage {
public:
    explicit sim_storage(sim_disk& d) : d_(d) {}

    const std::string& path() const noexcept override { return path_; }
    boot_id boot() const noexcept override { return d_.boot_; }

    result<std::vector<std::string>> list() override {
        const std::lock_guard lock(d_.mutex_);
        if (is_useless()) return sim_error();
        return d_.list();
    }
    result<std::unique_ptr<file>> create(const std::string& name) override {
        const std::lock_guard lock(d_.mutex_);
        if (is_useless()) return sim_error();
        if (d_.names_.contains(name)) return error(errc::conflict, name);
        TENON_TRY(change([&] { d_.names_[name] = std::make_shared<sim_disk::node>(); }));
        return open(name, true);
    }
    result<std::unique_ptr<file>> open(const std::string& name, bool) override {
        const std::lock_guard lock(d_.mutex_);
        if (is_useless()) return sim_error();
        const auto it = d_.names_.find(name);
        if (it == d_.names_.end()) return error(errc::not_found, name);
        return std::unique_ptr<file>(std::make_unique<sim_file>(d_, it->second));
    }
    result<void> rename(const std::string& from, const std::string& to) override {
        const std::lock_guard lock(d_.mutex_);
        if (is_useless()) return sim_error();
        if (!d_.names_.contains(from)) return error(errc::not_found, from);
        return change([&] {
            d_.names_[to] = d_.names_[from];
            d_.names_.erase(from);
        });
    }
    result<void> remove(const std::string& name) override {
        const std::lock_guard lock(d_.mutex_);
        if (is_useless()) return sim_error();
        if (!d_.names_.contains(name)) return error(errc::not_found, name);
        return change([&] { d_.names_.erase(name); });
    }
    result<void> sync() override {
        const std::lock_guard lock(d_.mutex_);
        if (is_useless()) return sim_error();
        return change([&] {
            d_.kept_names_ = d_.names_;
            d_.name_changes_.clear();
        });
    }

private:
    bool is_useless() const noexcept { return d_.dead_ || life_ != d_.life_; }

    template <class F>
    result<void> change(F f) {
        const bool alive = d_.step();
        if (alive || d_.random_.below(2) == 0) {
            f();
            d_.name_changes_.push_back(d_.names_);
        }
        if (alive) return {};
        d_.dead_ = true;
        return sim_error();
    }

    sim_disk& d_;
    const std::string path_ = "sim";
    const unsigned life_ = d_.life_;
};

inline std::unique_ptr<storage> sim_disk::open() { return std::make_unique<sim_storage>(*this); }

}  // namespace tenon::inline v0::journal
