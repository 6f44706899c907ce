// A program outside the tree: it sees only what is installed.

#include <cstdio>

#include "tenon/result.hpp"

namespace {

tenon::result<int> half(int n) {
    if (n % 2 != 0) return tenon::error(tenon::errc::invalid, "odd");
    return n / 2;
}

}  // namespace

int main() {
    const auto good = half(42);
    const auto bad = half(43);
    if (!good || *good != 21 || bad || bad.error().to_string() != "invalid: odd") return 1;
    try {
        bad.value();
    } catch (const tenon::failure& f) {  // thrown and caught across the library's border
        std::puts(f.what());
        return 0;
    }
    return 1;
}
