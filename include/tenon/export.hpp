#pragma once
// Marks what libtenon.so exports; everything else in the library is hidden.

#if defined(__GNUC__)
#define TENON_API __attribute__((visibility("default")))
#else
#define TENON_API
#endif
