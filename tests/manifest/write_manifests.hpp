#pragma once
// What the programs of tests/manifest/run.sh do with every contract they know.

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "tenon/manifest.hpp"

inline void require(bool holds, const std::string& what) {
    if (holds) return;
    std::fprintf(stderr, "%s\n", what.c_str());
    std::exit(1);
}

/// FOLDER/NAME.json, .hpp, .txt and .schema.json.
template <class Contract>
void write_manifest(const std::string& folder, const std::string& name) {
    const auto m = tenon::manifest_of<Contract>();
    const auto again = tenon::manifest::parse(m.to_json(true)).value();
    require(again.hash() == m.hash(), name + ": another hash after JSON");
    require(again.content() == m.content(), name + ": another content after JSON");
    require(compare(m, again).empty(), name + ": differs from itself");
    std::ofstream(folder + "/" + name + ".json") << m.to_json(true) << "\n";
    std::ofstream(folder + "/" + name + ".txt") << to_text(m);
    std::ofstream(folder + "/" + name + ".schema.json")
        << tenon::to_json(to_json_schema(m), true) << "\n";
    std::ofstream(folder + "/" + name + ".hpp") << to_cpp(m);
    std::ofstream(folder + "/" + name + ".hash") << m.hash() << "\n";
}
