#include "transport/shm/shm_link.hpp"

#include <cstring>
#include <thread>

#include "transport/test_support.hpp"

namespace tenon::inline v0::transport::shm {
namespace {

using namespace test;

connect_options sharing() {
    connect_options o;
    o.shared_memory.allowed = true;
    return o;
}

listen_options willing() {
    listen_options o;
    o.shared_memory.allowed = true;
    return o;
}

class shm_link_test : public testing::Test {
protected:
    void connect(const shared_memory_options& client = {},
                 const shared_memory_options& server = {}) {
        connect_options c{client};
        listen_options l;
        l.shared_memory = server;
        listener_ = must_listen("shm:" + (scratch_ / "s"), l);
        pair_ = connect_through(*listener_, c);
        ASSERT_TRUE(pair_.client->is_shared() && pair_.server->is_shared());
    }

    scratch_directory scratch_;
    std::unique_ptr<listener> listener_;
    link_pair pair_;
};

TEST_F(shm_link_test, loans_travel_by_reference_and_come_back) {
    connect();
    const auto memory = pair_.client->memory();
    ASSERT_TRUE(memory);
    const std::byte* first = nullptr;
    for (int i = 0; i < 10; ++i) {
        base::block_ref loan = memory->lend(1 << 20);
        ASSERT_TRUE(loan);
        EXPECT_EQ(loan->kind(), base::block::memory::lent_out);
        ASSERT_GE(loan->room().size(), std::size_t{1} << 20);
        // The same one each time, as it has come back.
        if (first) {
            EXPECT_EQ(loan->room().data(), first);
        }
        first = loan->room().data();
        std::memset(loan->room().data(), i, 1 << 20);
        const auto reference = pair_.client->pass(*loan.get(), 1 << 20);
        ASSERT_TRUE(reference);
        loan.reset();

        base::block_ref got = pair_.server->borrow(*reference);
        ASSERT_TRUE(got);
        EXPECT_EQ(got->kind(), base::block::memory::borrowed);
        EXPECT_EQ(got->room()[0], static_cast<std::byte>(i));
        EXPECT_EQ(got->room()[(1 << 20) - 1], static_cast<std::byte>(i));
    }
}

TEST_F(shm_link_test, a_plain_server_and_a_sharing_client_stay_plain) {
    const auto listener = must_listen("unix:" + (scratch_ / "s"));
    const link_pair pair = connect_through(*listener, sharing());
    EXPECT_FALSE(pair.client->is_shared());
    EXPECT_FALSE(pair.server->is_shared());
    const auto insisting = open_link(at("shm:" + (scratch_ / "s")));
    ASSERT_FALSE(insisting);
    EXPECT_EQ(insisting.error().code(), errc::unsupported);
    EXPECT_FALSE(insisting.error().may_have_run());
}

TEST_F(shm_link_test, a_willing_server_serves_plain_clients) {
    const auto listener = must_listen("unix:" + (scratch_ / "s"), willing());
    const link_pair pair = connect_through(*listener);
    EXPECT_FALSE(pair.client->is_shared());
    ASSERT_TRUE(send_all(*pair.client, as_bytes(std::string_view("\0\0\7hello", 8))));
    EXPECT_EQ(receive(*pair.server, 8).size(), 8U);
    EXPECT_FALSE(pair.server->is_shared());
}

}  // namespace
}  // namespace tenon::inline v0::transport::shm
