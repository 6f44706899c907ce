#pragma once
// All of Tenon that most programs need.

#include "tenon/client.hpp"
#include "tenon/discover.hpp"
#include "tenon/server.hpp"
#include "tenon/service.hpp"
#include "tenon/struct.hpp"
