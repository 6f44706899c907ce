// A database service: the rows of a query come as fast as the client takes them and no faster, so a
// result of any size needs little memory on both sides; a query is cancelled by letting go of it.

#include <cstdio>

#if __has_include(<sqlite3.h>)
#include <sqlite3.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "tenon/stream_members.hpp"
#include "tenon/tenon.hpp"
#include "tenon/value.hpp"

struct database {
    tenon::method<void(std::string)> execute;
    tenon::source<tenon::value(std::string)> query;  // each row is an array
};
TENON_INTERFACE(database, "demo", "database", "1.0.0", (execute, sql), (query, sql))

namespace {

using connection = std::unique_ptr<sqlite3, int (*)(sqlite3*)>;
using statement = std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)>;

[[noreturn]] void fail(sqlite3* db) {
    throw tenon::failure(tenon::error(tenon::errc::failed, sqlite3_errmsg(db)));
}

connection open(const std::string& file) {
    sqlite3* db = nullptr;
    const int rc = sqlite3_open(file.c_str(), &db);
    connection c(db, &sqlite3_close);
    if (rc != SQLITE_OK) fail(db);
    sqlite3_busy_timeout(db, 5000);
    return c;
}

tenon::value column(sqlite3_stmt* row, int i) {
    switch (sqlite3_column_type(row, i)) {
        case SQLITE_INTEGER: return static_cast<std::int64_t>(sqlite3_column_int64(row, i));
        case SQLITE_FLOAT: return sqlite3_column_double(row, i);
        case SQLITE_NULL: return {};
        default: return reinterpret_cast<const char*>(sqlite3_column_text(row, i));
    }
}

class service {
public:
    explicit service(std::string file) : file_(std::move(file)) {}

    void execute(const std::string& sql) const {
        const connection db = open(file_);
        if (sqlite3_exec(db.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
            fail(db.get());
    }

    // Runs on the pool: send() blocks while the client has no room, and throws once it is gone.
    void query(tenon::context& ctx, tenon::writer<tenon::value> out, const std::string& sql) {
        ++running_;
        const std::shared_ptr<void> done(nullptr, [this](void*) { --running_; });
        const connection db = open(file_);
        // While it computes and no row comes, the database asks now and then whether to go on.
        sqlite3_progress_handler(
            db.get(), 1000,
            [](void* c) { return static_cast<tenon::context*>(c)->cancelled() ? 1 : 0; }, &ctx);
        sqlite3_stmt* prepared = nullptr;
        if (sqlite3_prepare_v2(db.get(), sql.c_str(), -1, &prepared, nullptr) != SQLITE_OK)
            fail(db.get());
        const statement rows(prepared, &sqlite3_finalize);
        int rc;
        while ((rc = sqlite3_step(prepared)) == SQLITE_ROW) {
            ++stepped_;
            tenon::value row{tenon::value::array{}};
            for (int i = 0; i < sqlite3_column_count(prepared); ++i)
                row.as_array().push_back(column(prepared, i));
            out.send(std::move(row));
        }
        if (rc != SQLITE_DONE) fail(db.get());
    }

    int running() const { return running_; }
    int stepped() const { return stepped_; }

private:
    const std::string file_;
    std::atomic<int> running_{0};
    std::atomic<int> stepped_{0};
};

bool ends(const service& s) {
    for (int i = 0; i < 5000 && s.running() != 0; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    return s.running() == 0;
}

}  // namespace

int main() {
    service s("file:demo?mode=memory&cache=shared");
    sqlite3_config(SQLITE_CONFIG_URI, 1);
    const connection keep = open("file:demo?mode=memory&cache=shared");

    tenon::server server;
    auto& d = server.publish<database>();
    d.execute = [&](const std::string& sql) { s.execute(sql); };
    d.query = [&](tenon::context& ctx, tenon::writer<tenon::value> out, const std::string& sql) {
        s.query(ctx, std::move(out), sql);
    };
    server.listen("tcp://127.0.0.1:0").start();
    auto db = tenon::connect<database>(server.endpoints().front());

    db.execute(
        "create table fruit(name text, grams int);"
        "insert into fruit values ('apple', 150), ('plum', 40), ('fig', null)");
    for (const tenon::value& row : db.query("select * from fruit order by name"))
        std::printf("%s\n", tenon::to_json(row).c_str());

    const std::string numbers =
        "with recursive n(i) as (select 1 union all select i + 1 from n limit 100000000) ";
    {
        auto rows = db.query(numbers + "select i from n");  // a hundred million rows
        for (int i = 0; i < 3; ++i) std::printf("%s\n", tenon::to_json(*rows.get()).c_str());
        std::printf("made %s\n",
                    s.stepped() < 10'000 ? "as many as there is room for" : "too many");
    }  // nobody wants the others
    std::printf("ended: %s\n", ends(s) ? "yes" : "no");
    {
        auto rows = db.query(numbers + "select count(*) from n");  // no row for a long time
        while (s.running() == 0) std::this_thread::yield();
    }
    std::printf("ended: %s\n", ends(s) ? "yes" : "no");

    const auto wrong = db.query("select * from vegetables").get_for(std::chrono::seconds(10));
    std::printf("%s\n", wrong.error().to_string().c_str());
}

#else

int main() { std::puts("built without SQLite"); }

#endif
