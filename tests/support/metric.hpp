// SPDX-License-Identifier: MIT
// A figure that a test found out, for who reads its output: a line by itself,
//
//     metric name=value
//
// where the name is one word and the value is one number. The scorecard adds up those of the same
// name over all tests.
#pragma once

#include <iostream>
#include <string_view>

namespace pinion::test {

template <class Number>
void metric(std::string_view name, Number value) {
  std::cout << "metric " << name << '=' << value << std::endl;
}

}  // namespace pinion::test
