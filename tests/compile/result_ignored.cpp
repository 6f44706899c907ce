// A failure cannot be overlooked by leaving out its check.
// error: ignoring returned value of type 'tenon::v0::result<void>', declared with attribute

#include "tenon/result.hpp"

tenon::result<void> save();

void f() {
#ifdef CORRECT
    if (!save()) return;
#else
    save();
#endif
}
