#include "transport/shm/shm_link.hpp"

#include <sys/resource.h>
#include <sys/wait.h>

#include <atomic>
#include <random>
#include <set>
#include <thread>

#include "transport/shm/test_support.hpp"

namespace tenon::inline v0::transport::shm {
namespace {

using namespace test;

constexpr std::size_t mib = std::size_t{1} << 20;

class shm_link_test : public testing::Test {
protected:
    void SetUp() override { before_ = holdings::now(); }
    void TearDown() override {
        pair_ = {};
        listener_.reset();
        EXPECT_EQ(holdings::now(), before_);
    }
    void connect(const shared_memory_options& client = {},
                 const shared_memory_options& server = {}) {
        listen_options l;
        l.shared_memory = server;
        listener_ = must_listen("shm:" + (scratch_ / "s"), l);
        pair_ = connect_through(*listener_, {client});
        ASSERT_TRUE(pair_.client->is_shared() && pair_.server->is_shared());
    }
    base::block_ref hand_over(std::size_t size, int what) {
        return test::hand_over(*pair_.client, *pair_.server, size, static_cast<std::byte>(what));
    }

    scratch_directory scratch_;
    holdings before_;
    std::unique_ptr<listener> listener_;
    link_pair pair_;
};

TEST_F(shm_link_test, loans_travel_by_reference_and_come_back) {
    connect();
    const auto memory = pair_.client->memory();
    ASSERT_TRUE(memory);
    const std::byte* first = nullptr;
    for (int i = 0; i < 10; ++i) {
        base::block_ref loan = memory->lend(mib);
        ASSERT_TRUE(loan);
        EXPECT_EQ(loan->kind(), base::block::memory::lent_out);
        ASSERT_GE(loan->room().size(), mib);
        // The same one each time, as it has come back.
        if (!first) first = loan->room().data();
        EXPECT_EQ(loan->room().data(), first);
        std::memset(loan->room().data(), i, mib);
        const auto reference = pair_.client->pass(*loan.get(), mib);
        ASSERT_TRUE(reference);
        EXPECT_FALSE(pair_.client->pass(*loan.get(), mib)) << "once is enough";
        loan.reset();

        const base::block_ref got = pair_.server->borrow(*reference);
        ASSERT_TRUE(got);
        EXPECT_EQ(got->kind(), base::block::memory::borrowed);
        EXPECT_EQ(got->room()[0], static_cast<std::byte>(i));
        EXPECT_EQ(got->room()[mib - 1], static_cast<std::byte>(i));
    }
}

TEST_F(shm_link_test, what_the_peer_holds_is_not_lent_again) {
    connect();
    base::block_ref a = hand_over(mib, 1);
    base::block_ref b = hand_over(mib, 2);
    ASSERT_TRUE(a && b);
    EXPECT_NE(a->room().data(), b->room().data());
    EXPECT_EQ(a->room()[0], std::byte{1});
    const std::byte* const of_a = a->room().data();
    a.reset();
    const base::block_ref c = hand_over(mib, 3);
    EXPECT_EQ(c->room().data(), of_a);
    EXPECT_EQ(b->room()[0], std::byte{2});
    // Not passed at all, it is free at once.
    const std::byte* unused = pair_.client->memory()->lend(mib)->room().data();
    EXPECT_EQ(pair_.client->memory()->lend(mib)->room().data(), unused);
    // Blocks of others are none of ours.
    base::block_ref own = base::make_block(base::byte_buffer(100));
    EXPECT_FALSE(pair_.client->pass(*own.get(), 10));
    base::block_ref theirs = pair_.server->memory()->lend(mib);
    EXPECT_FALSE(pair_.client->pass(*theirs.get(), 10));
    EXPECT_FALSE(pair_.client->pass(*hand_over(mib, 4).get(), 10));
}

TEST_F(shm_link_test, a_reference_that_was_not_sent_is_recalled) {
    connect();
    ASSERT_TRUE(hand_over(mib, 1));
    base::block_ref loan = pair_.client->memory()->lend(mib);
    const auto unsent = pair_.client->pass(*loan.get(), mib);
    ASSERT_TRUE(unsent);
    pair_.client->recall({unsent->segment, unsent->use - 1, 0});  // has been sent
    pair_.client->recall({unsent->segment + 64, unsent->use, 0});
    pair_.client->recall({unsent->segment + 1, unsent->use, 0});
    EXPECT_FALSE(pair_.client->pass(*loan.get(), mib));
    pair_.client->recall(*unsent);
    pair_.client->recall(*unsent);
    const auto again = pair_.client->pass(*loan.get(), mib);
    ASSERT_TRUE(again);
    EXPECT_EQ(again->use, unsent->use);
    EXPECT_TRUE(pair_.server->borrow(*again));
    // Recalled after its loan has ended, it is free as well.
    loan = pair_.client->memory()->lend(mib);
    const std::byte* const at = loan->room().data();
    const auto third = pair_.client->pass(*loan.get(), mib);
    loan.reset();
    pair_.client->recall(*third);
    EXPECT_EQ(pair_.client->memory()->lend(mib)->room().data(), at);
    EXPECT_EQ(hand_over(mib, 2)->room()[0], std::byte{2});
}

TEST_F(shm_link_test, both_sides_limit_memory) {
    shared_memory_options narrow;
    narrow.link_limit = mib;
    narrow.largest_segment = mib / 2;
    // It does not matter whose limit it is.
    for (const bool clients : {true, false}) {
        connect(clients ? narrow : shared_memory_options(),
                clients ? shared_memory_options() : narrow);
        const auto memory = pair_.client->memory();
        EXPECT_FALSE(memory->lend(mib / 2 + 1));
        base::block_ref a = memory->lend(mib / 2);
        base::block_ref b = memory->lend(mib / 2);
        ASSERT_TRUE(a && b);
        EXPECT_FALSE(memory->lend(1));
        // What lies idle makes room for other sizes, the oldest first.
        b.reset();
        for (int i = 0; i < 4; ++i) EXPECT_TRUE(memory->lend(1)) << i;
        std::vector<base::block_ref> small;
        for (int i = 0; i < 4; ++i) small.push_back(memory->lend(1));
        EXPECT_TRUE(small.back());
        EXPECT_FALSE(memory->lend(1));
        small.clear();
        EXPECT_TRUE(memory->lend(mib / 2));
        const base::block_ref passed = hand_over(mib / 2, 5);
        ASSERT_TRUE(passed);
        EXPECT_EQ(passed->room()[0], std::byte{5});
        pair_ = {};
        listener_.reset();
    }
}

TEST_F(shm_link_test, links_share_a_budget) {
    shared_memory_options o;
    o.budget = std::make_shared<wire::byte_budget>(2 * (header_bytes + o.ring_size) + mib);
    {
        connect({}, o);
        link_pair second = connect_through(*listener_);
        ASSERT_TRUE(second.server->is_shared());
        base::block_ref a = pair_.server->memory()->lend(mib / 2);
        base::block_ref b = second.server->memory()->lend(mib / 2);
        ASSERT_TRUE(a && b);
        EXPECT_FALSE(pair_.server->memory()->lend(1));
        // A third one finds no ring, and is refused.
        const auto third = open_link(listener_->local()).value();
        const auto server = must_accept(*listener_);
        std::byte none;
        EXPECT_EQ(server->read({&none, 1}).state, io_state::would_block);
        EXPECT_FALSE(server->is_shared());
        EXPECT_EQ(finish(*third), ENOMEM);
        EXPECT_TRUE(third->awaits_reply());
        b.reset();
        second = {};
        EXPECT_TRUE(pair_.server->memory()->lend(mib / 4));
        EXPECT_FALSE(pair_.server->memory()->lend(mib));
        // Blocks that outlive their link go on counting.
        pair_ = {};
        EXPECT_EQ(o.budget->used, mib / 2);
    }
    EXPECT_EQ(o.budget->used, 0U);
}

TEST_F(shm_link_test, a_client_that_does_not_insist_stays_plain_without_memory) {
    listener_ = must_listen("unix:" + (scratch_ / "s"), willing());
    for (const bool clients : {true, false}) {
        shared_memory_options poor;
        poor.budget = std::make_shared<wire::byte_budget>(1000);
        listener_.reset();
        listener_ = must_listen("unix:" + (scratch_ / "s"),
                                willing(clients ? shared_memory_options() : poor));
        pair_ = connect_through(*listener_, sharing(clients ? poor : shared_memory_options()));
        EXPECT_FALSE(pair_.client->is_shared() || pair_.server->is_shared());
        ASSERT_TRUE(send_all(*pair_.client, as_bytes(std::string_view("\0\0\7", 3))));
        EXPECT_EQ(receive(*pair_.server, 3).size(), 3U);
        EXPECT_EQ(poor.budget->used, 0U);
        pair_ = {};
    }
}

TEST_F(shm_link_test, unused_segments_are_trimmed_on_both_sides) {
    shared_memory_options soon;
    soon.idle_after = std::chrono::milliseconds(0);
    connect(soon);
    const std::size_t maps = holdings::now().maps;
    for (int round = 1; round <= 3; ++round) {
        base::block_ref held = hand_over(mib, round);
        hand_over(2 * mib, round);
        EXPECT_EQ(holdings::now().maps, maps + 4);
        pair_.client->trim();
        EXPECT_TRUE(pair_.server->prepare_to_sleep());
        EXPECT_EQ(holdings::now().maps, maps + 2) << "one is in use";
        EXPECT_EQ(held->room()[mib - 1], static_cast<std::byte>(round));
        held.reset();
        pair_.client->trim();
        EXPECT_TRUE(pair_.server->prepare_to_sleep());
        EXPECT_EQ(holdings::now().maps, maps);
    }
    // A reader that does not sleep meanwhile is not confused by old numbers.
    for (int round = 1; round <= 20; ++round) {
        const base::block_ref got = hand_over(mib, round);
        ASSERT_TRUE(got) << round;
        EXPECT_EQ(got->room()[0], static_cast<std::byte>(round));
        pair_.client->trim();
    }
    shared_memory_options later;
    later.idle_after = std::chrono::hours(1);
    pair_ = {};
    listener_.reset();
    connect(later);
    hand_over(mib, 1);
    pair_.client->trim();
    EXPECT_EQ(holdings::now().maps, maps + 2);
}

TEST_F(shm_link_test, blocks_outlive_the_link) {
    for (const bool client_first : {true, false}) {
        connect();
        base::block_ref received = hand_over(mib, 9);
        const auto memory = pair_.client->memory();
        base::block_ref lent = memory->lend(2 * mib);
        if (client_first) pair_.client.reset();
        pair_.server.reset();
        pair_.client.reset();
        EXPECT_EQ(received->room()[mib - 1], std::byte{9});
        std::memset(lent->room().data(), 1, 2 * mib);
        EXPECT_FALSE(memory->lend(1));
        // Given back on another thread, which may be the last one to know of the link.
        std::thread([r = std::move(received), l = std::move(lent)] {}).join();
        listener_.reset();
    }
}

TEST_F(shm_link_test, a_forked_child_changes_nothing) {
    connect();
    base::block_ref received = hand_over(mib, 3);
    base::block_ref lent = pair_.client->memory()->lend(mib);
    const pid_t child = fork();
    if (child == 0) {
        received.reset();
        lent.reset();
        pair_ = {};
        listener_.reset();
        _exit(0);
    }
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    const base::block_ref other = hand_over(mib, 4);
    EXPECT_EQ(received->room()[0], std::byte{3});
    EXPECT_EQ(other->room()[0], std::byte{4});
    ASSERT_TRUE(send_all(*pair_.client, as_bytes("still here")));
    EXPECT_EQ(receive(*pair_.server, 10).size(), 10U);
}

// Who knows of whom, by what the lock file says.
TEST_F(shm_link_test, offers_only_where_they_are_understood) {
    const auto plain = must_listen("unix:" + (scratch_ / "plain"));
    link_pair pair = connect_through(*plain, sharing());
    EXPECT_FALSE(pair.client->is_shared() || pair.server->is_shared());
    const auto insisting = open_link(at("shm:" + (scratch_ / "plain")));
    ASSERT_FALSE(insisting);
    EXPECT_EQ(insisting.error().code(), errc::unsupported);
    EXPECT_FALSE(insisting.error().may_have_run());

    const auto both = must_listen("unix:" + (scratch_ / "both"), willing());
    EXPECT_FALSE(connect_through(*both).client->is_shared());
    EXPECT_TRUE(connect_through(*both, sharing()).client->is_shared());
    EXPECT_EQ(both->local().kind, scheme::unix_path);
    const auto shm = must_listen("shm:" + (scratch_ / "shm"));
    EXPECT_EQ(to_string(shm->local()), "shm:" + (scratch_ / "shm"));
    EXPECT_FALSE(open_link(at("unix:" + (scratch_ / "shm"))).value()->awaits_reply());
    EXPECT_TRUE(open_link(at("unix:" + (scratch_ / "shm")), sharing()).value()->awaits_reply());
    // The path belongs to one server, whatever it is called.
    EXPECT_EQ(open_listener(at("unix:" + (scratch_ / "shm")), {}).error().code(), errc::conflict);

    const auto abstract = must_listen("unix:@tenon-shm-" + std::to_string(getpid()), willing());
    EXPECT_FALSE(connect_through(*abstract, sharing()).client->is_shared());
}

TEST_F(shm_link_test, a_server_that_ends_instead_of_answering_is_no_peer) {
    listener_ = must_listen("unix:" + (scratch_ / "s"), willing());
    for (const char* scheme : {"unix:", "shm:"}) {
        const auto client = open_link(at(scheme + (scratch_ / "s")), sharing()).value();
        EXPECT_TRUE(client->awaits_reply());
        EXPECT_EQ(client->finish_connect().state, io_state::would_block);
        EXPECT_EQ(client->read({}).state, io_state::would_block);
        EXPECT_EQ(client->write({}).state, io_state::would_block);
        must_accept(*listener_).reset();
        const int error = finish(*client);
        EXPECT_EQ(error, ECONNRESET);
        EXPECT_TRUE(client->awaits_reply()) << "so that a plain socket is tried next";
        EXPECT_EQ(connect_error(listener_->local(), error).code(), errc::unavailable);
    }
}

TEST_F(shm_link_test, leftovers_of_a_killed_server_say_nothing_of_the_next) {
    for (const bool first : {true, false}) {
        const pid_t child = fork();
        if (child == 0) {
            const auto l =
                must_listen("unix:" + (scratch_ / "s"), first ? willing() : listen_options());
            _exit(0);  // as if killed: nothing is removed
        }
        waitpid(child, nullptr, 0);
        ASSERT_TRUE(std::filesystem::exists(scratch_ / "s.lock"));
        const auto l =
            must_listen("unix:" + (scratch_ / "s"), first ? listen_options() : willing());
        EXPECT_EQ(connect_through(*l, sharing()).client->is_shared(), !first);
    }
    EXPECT_EQ(scratch_.count_files(), 0U);
}

// With k descriptors left, whatever k is: shared, plain, or an error, and nothing lost.
TEST_F(shm_link_test, connects_or_says_why_when_descriptors_run_out) {
    listener_ = must_listen("unix:" + (scratch_ / "s"), willing());
    rlimit before{};
    getrlimit(RLIMIT_NOFILE, &before);
    std::set<std::string> outcomes;
    for (const char* scheme : {"unix:", "shm:"}) {
        const endpoint to = at(scheme + (scratch_ / "s"));
        const holdings held = holdings::now();
        for (int k = 0; k < 14; ++k) {
            const int next = dup(0);
            close(next);
            const rlimit few{static_cast<rlim_t>(next + k), before.rlim_max};
            setrlimit(RLIMIT_NOFILE, &few);
            std::string outcome = "none";
            {
                const auto client = open_link(to, sharing());
                const auto accepted = listener_->accept();
                if (client && accepted.link) {
                    std::byte none;
                    const io_result r = accepted.link->read({&none, 1});
                    const int error = finish(**client);
                    outcome = error == 0 ? (*client)->is_shared() ? "shared" : "plain"
                                         : "error " + std::to_string(error);
                    if (error == 0) {
                        EXPECT_EQ(r.state, io_state::would_block);
                        EXPECT_EQ((*client)->is_shared(), accepted.link->is_shared());
                    }
                } else if (!client) {
                    EXPECT_EQ(client.error().code(), errc::overloaded);
                }
            }
            setrlimit(RLIMIT_NOFILE, &before);
            outcomes.insert(outcome);
            while (listener_->accept().state == io_state::ok) {}
            EXPECT_EQ(holdings::now(), held) << scheme << " with " << k << " descriptors";
        }
    }
    EXPECT_TRUE(outcomes.contains("shared") && outcomes.contains("plain") &&
                outcomes.contains("none") && outcomes.contains("error " + std::to_string(ENOMEM)))
        << testing::PrintToString(outcomes);
}

TEST_F(shm_link_test, a_client_without_descriptors_cannot_take_the_answer) {
    listener_ = must_listen("unix:" + (scratch_ / "s"), willing());
    rlimit before{};
    getrlimit(RLIMIT_NOFILE, &before);
    for (const int k : {0, 1}) {
        const auto client = open_link(listener_->local(), sharing()).value();
        const auto server = must_accept(*listener_);
        std::byte none;
        EXPECT_EQ(server->read({&none, 1}).state, io_state::would_block);
        const int next = dup(0);
        close(next);
        const rlimit few{static_cast<rlim_t>(next + k), before.rlim_max};
        setrlimit(RLIMIT_NOFILE, &few);
        const int error = finish(*client);
        setrlimit(RLIMIT_NOFILE, &before);
        EXPECT_EQ(error, EMFILE);
        EXPECT_TRUE(client->awaits_reply());
        EXPECT_EQ(connect_error(listener_->local(), error).code(), errc::overloaded);
    }
}

TEST_F(shm_link_test, segments_need_descriptors_for_a_moment_only) {
    connect();
    rlimit before{};
    getrlimit(RLIMIT_NOFILE, &before);
    const int next = dup(0);
    close(next);
    const rlimit none_left{static_cast<rlim_t>(next), before.rlim_max};

    setrlimit(RLIMIT_NOFILE, &none_left);
    EXPECT_FALSE(pair_.client->memory()->lend(mib));
    setrlimit(RLIMIT_NOFILE, &before);
    base::block_ref known = pair_.client->memory()->lend(mib);
    ASSERT_TRUE(known);
    const auto first = pair_.client->pass(*known.get(), mib);
    ASSERT_TRUE(pair_.server->borrow(*first));
    // What has been announced needs none.
    known.reset();
    setrlimit(RLIMIT_NOFILE, &none_left);
    EXPECT_TRUE(hand_over(mib, 1));
    setrlimit(RLIMIT_NOFILE, &before);

    // A receiver that has none for a new one cannot go on.
    base::block_ref loan = pair_.client->memory()->lend(4 * mib);
    const auto reference = pair_.client->pass(*loan.get(), mib);
    setrlimit(RLIMIT_NOFILE, &none_left);
    EXPECT_FALSE(pair_.server->borrow(*reference));
    setrlimit(RLIMIT_NOFILE, &before);
    std::byte b;
    const io_result r = pair_.server->read({&b, 1});
    EXPECT_EQ(r.state, io_state::failed);
    EXPECT_EQ(r.error, EMFILE);
}

TEST_F(shm_link_test, a_full_socket_lends_nothing) {
    connect();
    // A peer that never looks at its socket.
    shared_memory_options soon;
    std::vector<base::block_ref> loans;
    for (std::size_t i = 0; i < max_segment_slots; ++i)
        loans.push_back(pair_.client->memory()->lend(1));
    EXPECT_TRUE(loans.back());
    EXPECT_FALSE(pair_.client->memory()->lend(1)) << "more segments than there are slots";
    loans.clear();
    pair_.client->finish_writes();
    EXPECT_FALSE(pair_.client->memory()->lend(mib)) << "none can be announced any more";
}

// Everything at once, on as many threads as there can be: what ThreadSanitizer looks at.
TEST_F(shm_link_test, threads_share_a_link) {
    connect();
    constexpr int loans = 300;
    constexpr std::size_t bytes_each_way = 4 * mib;
    std::atomic<bool> stop{false};
    const auto receiver = [&](link& l) {
        EXPECT_EQ(receive(l, bytes_each_way).size(), bytes_each_way);
    };
    const auto sender = [&](link& l) { EXPECT_TRUE(send_all(l, bytes(bytes_each_way))); };
    const auto lender = [&](link& l) {
        const auto memory = l.memory();
        std::minstd_rand random(1);
        for (int i = 0; i < loans; ++i) {
            base::block_ref b = memory->lend(1 + random() % (2 * mib));
            if (!b) continue;
            b->room()[0] = std::byte{1};
            if (random() % 2 == 0) l.pass(*b.get(), 1);
            std::thread([b = std::move(b)]() mutable { b.reset(); }).join();
        }
    };
    const auto looker = [&](link& l) {
        while (!stop) {
            l.has_news();
            l.trim();
            std::this_thread::yield();
        }
    };
    std::vector<std::thread> threads;
    for (link* l : {pair_.client.get(), pair_.server.get()}) {
        threads.emplace_back(receiver, std::ref(*l));
        threads.emplace_back(sender, std::ref(*l));
        threads.emplace_back(lender, std::ref(*l));
        threads.emplace_back(looker, std::ref(*l));
    }
    for (std::size_t i = 0; i < threads.size(); ++i)
        if (i % 4 != 3) threads[i].join();
    stop = true;
    for (std::size_t i = 3; i < threads.size(); i += 4) threads[i].join();
}

}  // namespace
}  // namespace tenon::inline v0::transport::shm
