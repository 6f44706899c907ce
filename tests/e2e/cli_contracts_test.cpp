// The tenon program and what services say of themselves: describe, manifest, gen, and the check of
// arguments before a call.

#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <sstream>

#include "cli_process.hpp"
#include "tenon/codec.hpp"

namespace {

using namespace e2e;
using tenon::value;

class cli_contracts : public names_test {
protected:
    std::string write(const std::string& name, const std::string& content) const {
        std::ofstream(path("../" + name)) << content;
        return path("../" + name);
    }
    static std::string read(const std::string& name) {
        std::stringstream text;
        text << std::ifstream(name).rdbuf();
        return text.str();
    }
};

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

void replace(std::string& in, std::string_view from, std::string_view to) {
    const std::size_t at = in.find(from);
    ASSERT_NE(at, std::string::npos) << from << " in " << in;
    in.replace(at, from.size(), to);
}

TEST_F(cli_contracts, describe_a_service) {
    const auto server = serve();
    const auto page = run({"describe", "example/echo"});
    EXPECT_EQ(page.exit, 0) << page.err;
    EXPECT_EQ(page.out.find("example/echo 1.0.0\n"), 0U) << page.out;
    EXPECT_TRUE(has(page.out, "plus(a: int64, b: int64) -> int64")) << page.out;
    const auto json = run({"describe", "example/echo", "--json"});
    EXPECT_EQ(json.exit, 0) << json.err;
    const value m = tenon::parse_json(json.out).value();
    EXPECT_EQ(m["publisher"].as_string(), "example");
    EXPECT_EQ(m["members"]["plus"]["params"].size(), 2U);
}

TEST_F(cli_contracts, describe_a_method) {
    const std::string at = "unix:" + path("../a.sock");
    const auto server = serve({"--listen", at});
    const auto page = run({"describe", "example/echo.greet"});
    EXPECT_EQ(page.exit, 0) << page.err;
    EXPECT_TRUE(has(page.out, "greet(who: ")) << page.out;
    EXPECT_TRUE(has(page.out, "person")) << page.out;
    EXPECT_TRUE(has(page.out, "\nExample:\n  tenon call example/echo.greet who=…\n")) << page.out;
    EXPECT_FALSE(has(page.out, "plus(")) << page.out;
    const auto plus = run({"describe", "example/echo.plus", "--at", at});
    EXPECT_TRUE(has(plus.out, "tenon call --at " + at + " example/echo.plus a=… b=…")) << plus.out;
    EXPECT_FALSE(has(plus.out, "person")) << plus.out;
    const value one =
        tenon::parse_json(run({"describe", "example/echo.plus", "--json"}).out).value();
    EXPECT_EQ(one["params"][1]["name"].as_string(), "b");
    EXPECT_ERROR(run({"describe", "example/echo.pluss"}), 18, "did you mean example/echo.plus?");
    EXPECT_ERROR(run({"describe", "example/echo.frobnicate"}), 18, "example/echo has echo, plus");
}

TEST_F(cli_contracts, describe_what_is_not_there) {
    EXPECT_ERROR(run({"describe"}), 2, "which service?");
    EXPECT_ERROR(run({"describe", "echo"}), 2, "is no service");
    EXPECT_ERROR(run({"describe", "a/b", "c/d"}), 2, "one name");
    EXPECT_ERROR(run({"describe", "example/echo"}), 12, "no service runs here");
    const std::string at = "unix:" + path("../a.sock");
    const auto server = serve({"--listen", at});
    EXPECT_ERROR(run({"describe", "example/ecko"}), 12, "did you mean example/echo?");
    EXPECT_ERROR(run({"describe", "example/ecko", "--at", at}), 14, "did you mean example/echo?");
    EXPECT_ERROR(run({"describe", "demo/x", "--at", at}), 14, "what this server has: example/echo");
}

TEST_F(cli_contracts, arguments_are_checked_before_the_call) {
    const auto server = serve();
    const auto o = run({"call", "example/echo.plus", "1", "two", "--json"});
    EXPECT_EQ(o.exit, 15);
    const value e = tenon::parse_json(o.err).value()["error"];
    EXPECT_EQ(e["message"].as_string().find("b: expected"), 0U) << o.err;
    EXPECT_EQ(e["origin"].as_string(), "example/echo.plus");
    EXPECT_FALSE(e["may_have_run"].as_bool());
    EXPECT_TRUE(has(e["hint"].as_string(), "example/echo.plus takes a, b")) << o.err;
    EXPECT_ERROR(run({"call", "example/echo.plux", "1", "2"}), 18,
                 "did you mean example/echo.plus?");
    EXPECT_ERROR(run({"call", "example/echo.greet", "{\"age\":3}"}), 15, "name");
    EXPECT_ERROR(run({"call", "example/echo.plus", "1", "c=2"}), 15, "\"c\"");
    const value s = tenon::parse_json(run({"stats", "example/echo", "--json"}).out).value();
    EXPECT_EQ(s[0]["calls"].as_int64(), 0) << "nothing was sent";
}

TEST_F(cli_contracts, manifests_of_services_and_files) {
    const auto server = serve();
    const auto compact = run({"manifest", "show", "example/echo", "--json"});
    EXPECT_EQ(compact.exit, 0) << compact.err;
    const std::string file = write("echo.json", compact.out);
    EXPECT_RESULT(run({"manifest", "show", file, "--json"}),
                  compact.out.substr(0, compact.out.size() - 1));
    const std::string pretty = run({"manifest", "show", file}).out;
    EXPECT_TRUE(has(pretty, "\n  \"publisher\": \"example\"")) << pretty;
    const auto hash = run({"manifest", "hash", "example/echo"});
    EXPECT_EQ(hash.out.find("sha256:"), 0U);
    EXPECT_EQ(run({"manifest", "hash", "-"}, {.input = pretty}).out, hash.out);
    EXPECT_RESULT(run({"manifest", "hash", file, "--json"}),
                  "\"" + hash.out.substr(0, hash.out.size() - 1) + "\"");

    EXPECT_ERROR(run({"manifest", "show", path("nothing.json")}), 2, "No such file");
    EXPECT_ERROR(run({"manifest", "show", write("bad.json", "{}")}), 15, "it is no manifest");
    EXPECT_ERROR(run({"manifest", "show", write("worse.json", "{")}), 15, "worse.json: ");
    EXPECT_ERROR(run({"manifest", "show", "example/ecko"}), 12, "did you mean example/echo?");
    EXPECT_ERROR(run({"manifest", "show"}), 2, "of what?");
    EXPECT_ERROR(run({"manifest", "show", "a", "b"}), 2, "one name or file");
}

TEST_F(cli_contracts, differences_and_their_exit_codes) {
    const auto server = serve();
    const std::string now = run({"manifest", "show", "example/echo", "--json"}).out;
    const std::string same = write("same.json", now);
    std::string text = now;
    replace(text, "\"version\":\"1.0.0\"", "\"version\":\"1.1.0\"");
    const std::string newer = write("newer.json", text);
    text = now;
    replace(text, "\"name\":\"b\"", "\"name\":\"c\"");
    const std::string other = write("other.json", text);

    const auto none = run({"manifest", "diff", same, "example/echo"});
    EXPECT_EQ(none.exit, 0) << none.err;
    EXPECT_EQ(none.out, "");
    EXPECT_RESULT(run({"manifest", "diff", same, "example/echo", "--json"}), "[]");
    const auto compatible = run({"manifest", "diff", same, newer});
    EXPECT_EQ(compatible.exit, 0) << compatible.out;
    EXPECT_EQ(compatible.out.find("compatible:\n  version: "), 0U) << compatible.out;
    const auto breaking = run({"manifest", "diff", other, "example/echo"});
    EXPECT_EQ(breaking.exit, 3) << breaking.err;
    EXPECT_EQ(breaking.out.find("breaking:\n  plus(c)"), 0U) << breaking.out;
    const value changes =
        tenon::parse_json(run({"manifest", "diff", other, same, "--json"}).out).value();
    ASSERT_GE(changes.size(), 1U);
    EXPECT_TRUE(changes[0]["breaking"].as_bool());
    EXPECT_TRUE(has(changes[0]["where"].as_string(), "plus"));

    EXPECT_ERROR(run({"manifest", "diff", same}), 2, "OLD and NEW");
    EXPECT_ERROR(run({"manifest", "diff", "-", "-"}), 2, "only one");
    EXPECT_ERROR(run({"manifest", "diff", same, "demo/math"}), 12, "example/echo");
}

TEST_F(cli_contracts, code_and_schemas) {
    const auto server = serve();
    const std::string header = path("../echo.hpp");
    EXPECT_EQ(run({"gen", "cpp", "example/echo", "-o", header}).out, "");
    EXPECT_TRUE(has(read(header), "\"example\", \"echo\", \"1.0.0\"")) << read(header);
    EXPECT_EQ(run({"gen", "cpp", "example/echo"}).out, read(header));
    const auto schema = run({"gen", "json-schema", "example/echo", "--json"});
    EXPECT_EQ(schema.exit, 0) << schema.err;
    EXPECT_NE(tenon::parse_json(schema.out).value()["$defs"].find("plus.params"), nullptr);
    EXPECT_TRUE(has(run({"gen", "json-schema", "example/echo"}).out, "\n  \"$defs\""));

    EXPECT_ERROR(run({"gen", "cpp", "example/echo", "-o", path("no/such/x.hpp")}), 1,
                 "No such file");
    EXPECT_ERROR(run({"gen", "cpp", "example/echo", "--output", "/dev/full"}), 1, "No space");
    EXPECT_ERROR(run({"gen", "cpp", "example/echo"}, {.stdout_file = "/dev/full"}), 1, "stdout");
    EXPECT_ERROR(run({"gen", "python", "example/echo"}), 2, "no command \"gen python\"");
    EXPECT_ERROR(run({"gen", "ccp", "example/echo"}), 2, "did you mean cpp?");
}

TEST_F(cli_contracts, help_for_commands_of_two_words) {
    for (const words& args : {words{"help", "manifest"}, words{"manifest", "--help"}}) {
        const auto o = run(args);
        EXPECT_EQ(o.exit, 0) << o.err;
        for (const char* part : {"manifest show", "manifest diff", "manifest hash"})
            EXPECT_TRUE(has(o.out, part)) << part;
    }
    const auto diff = run({"help", "manifest", "diff"});
    EXPECT_EQ(diff.exit, 0);
    EXPECT_TRUE(has(diff.out, "3 breaking changes"));
    EXPECT_EQ(diff.out, run({"manifest", "diff", "--help"}).out);
    EXPECT_ERROR(run({"manifest"}), 2, "which of show, diff, hash?");
    EXPECT_ERROR(run({"manifest", "dif"}), 2, "did you mean diff?");
    EXPECT_ERROR(run({"help", "manifest", "dif"}), 2, "did you mean diff?");
    EXPECT_ERROR(run({"gne", "cpp"}), 2, "did you mean gen?");
    for (const words& args :
         {words{"describe"}, words{"gen", "cpp"}, words{"gen", "json-schema"},
          words{"manifest", "show"}, words{"manifest", "hash"}, words{"completion"}}) {
        words ask{"help"};
        ask.insert(ask.end(), args.begin(), args.end());
        const auto o = run(ask);
        EXPECT_EQ(o.exit, 0) << o.err;
        EXPECT_TRUE(has(o.out, "Examples:")) << o.out;
    }
}

}  // namespace
