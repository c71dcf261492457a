// SPDX-License-Identifier: MIT
// The standard's stop token, for whoever bridges to it. It brings atomics of its own, which no
// checker sees: nothing of the library is built on it.
#pragma once

#include <stop_token>
