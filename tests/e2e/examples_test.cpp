// Runs every numbered example and compares what it says with the expected.txt beside its source.
// Port numbers differ from run to run and read "PORT" there.

#include <gtest/gtest.h>

#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

std::string contents_of(const fs::path& file) {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
}

/// The root of the sources, which the build tree remembers.
fs::path source_dir() {
    const std::string key = "CMAKE_HOME_DIRECTORY:INTERNAL=";
    std::ifstream cache(fs::path(TENON_BIN_DIR) / "CMakeCache.txt");
    for (std::string line; std::getline(cache, line);)
        if (line.starts_with(key)) return line.substr(key.size());
    return {};
}

std::vector<std::string> numbered_examples() {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(source_dir() / "examples")) {
        const std::string name = entry.path().filename();
        if (entry.is_directory() && std::isdigit(static_cast<unsigned char>(name[0])))
            names.push_back(name);
    }
    std::sort(names.begin(), names.end());
    return names;
}

std::string without_ports(const std::string& text) {
    const std::string host = "127.0.0.1:";
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        if (text.compare(at, host.size(), host) != 0) {
            out += text[at++];
            continue;
        }
        out += host + "PORT";
        at += host.size();
        while (at < text.size() && std::isdigit(static_cast<unsigned char>(text[at]))) ++at;
    }
    return out;
}

class examples : public testing::TestWithParam<std::string> {};

TEST_P(examples, say_what_they_should) {
    const std::string program = TENON_EXAMPLES_DIR "/" + GetParam();
    FILE* pipe = popen(("timeout 60 " + program + " 2>&1").c_str(), "r");
    ASSERT_NE(pipe, nullptr);
    std::string said;
    std::array<char, 4096> chunk;
    for (std::size_t n; (n = fread(chunk.data(), 1, chunk.size(), pipe)) > 0;)
        said.append(chunk.data(), n);
    const int status = pclose(pipe);
    if (said.starts_with("built without")) GTEST_SKIP() << said;
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status " << status;
    EXPECT_EQ(without_ports(said),
              contents_of(source_dir() / "examples" / GetParam() / "expected.txt"));
}

INSTANTIATE_TEST_SUITE_P(all, examples, testing::ValuesIn(numbered_examples()),
                         [](const auto& example) { return example.param; });

}  // namespace
