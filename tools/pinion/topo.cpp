// SPDX-License-Identifier: MIT
// pinion topo: what is this machine, where do workers go, and why.
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tools/pinion/commands.hpp"
#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "pinion/platform/placement.hpp"
#include "pinion/platform/topology.hpp"

namespace pinion::tools {
namespace {

struct wish {
  std::size_t workers = 0;
  std::string pin = "core";
  std::vector<unsigned> pus;
  std::string machine;
  bool as_json = false;
};

pinning pinning_of(const wish& w) {
  if (!w.pus.empty()) return pinning::list(w.pus);
  const std::map<std::string, pinning> known{{"none", pinning::none()},
                                             {"core", pinning::core()},
                                             {"cache", pinning::cache()},
                                             {"numa", pinning::numa()}};
  return known.at(w.pin);
}

std::size_t groups(const topology& t, unsigned pu::*group) {
  std::size_t n = 0;
  for (const pu& p : t.pus) n = std::max<std::size_t>(n, std::size_t{p.*group} + 1);
  return n;
}

nlohmann::json machine_json(const topology& t) {
  nlohmann::json pus = nlohmann::json::array();
  for (const pu& p : t.pus) {
    pus.push_back({{"os_index", p.os_index},
                   {"core", p.core},
                   {"l2", p.l2},
                   {"cache", p.cache},
                   {"numa_node", p.numa_node},
                   {"package", p.package},
                   {"usable", p.usable},
                   {"isolated", p.isolated}});
  }
  return {{"source", t.source},
          {"cpu_quota", t.cpu_quota},
          {"available", t.available()},
          {"available_cores", t.available_cores()},
          {"pus", pus}};
}

nlohmann::json plan_json(const placement& p) {
  nlohmann::json workers = nlohmann::json::array();
  for (const worker_place& w : p.workers) {
    workers.push_back({{"pus", w.pus},
                       {"core", w.core},
                       {"cache", w.cache},
                       {"numa_node", w.numa_node},
                       {"victims", w.victims},
                       {"reason", w.reason}});
  }
  return {{"workers", workers}, {"warnings", p.warnings}};
}

void print_machine(const topology& t) {
  std::size_t usable = 0;
  for (const pu& p : t.pus) usable += p.usable ? 1 : 0;
  fmt::print("machine: {} PUs ({} usable), {} cores, {} L2 caches, {} last-level caches,\n",
             t.pus.size(), usable, groups(t, &pu::core), groups(t, &pu::l2), groups(t, &pu::cache));
  fmt::print("         {} NUMA nodes, {} packages; read from {}\n", groups(t, &pu::numa_node),
             groups(t, &pu::package), t.source);
  if (t.cpu_quota > 0) fmt::print("quota:   {} CPUs\n", t.cpu_quota);
}

topology machine_of(const wish& w) {
  return w.machine.empty() ? topology::detect() : topology::synthetic(w.machine);
}

int run(const wish& w) {
  topology machine;
  placement places;
  try {
    machine = machine_of(w);
    places = plan(machine, w.workers, pinning_of(w));
  } catch (const std::invalid_argument& e) {
    throw bad_input(e.what());
  }
  if (w.as_json) {
    const nlohmann::json all{{"machine", machine_json(machine)}, {"plan", plan_json(places)}};
    fmt::print("{}\n", all.dump(2));
  } else {
    print_machine(machine);
    fmt::print("{}", places.to_string());
  }
  return 0;
}

}  // namespace

command add_topo(CLI::App& app) {
  const auto w = std::make_shared<wish>();
  CLI::App* const sub =
      app.add_subcommand("topo", "What is this machine, where do workers go, and why");
  sub->add_option("--workers", w->workers, "how many; 0: as many as the scheduler would take")
      ->capture_default_str();
  auto* const pin = sub->add_option("--pin", w->pin, "to what each worker is tied")
                        ->check(CLI::IsMember({"none", "core", "cache", "numa"}))
                        ->capture_default_str();
  sub->add_option("--pus", w->pus, "a PU for each worker, e.g. 0,2,4")
      ->delimiter(',')
      ->excludes(pin);
  sub->add_option("--machine", w->machine,
                  "a made-up machine, e.g. \"pack:2 cache:4 core:8 pu:2\"");
  sub->add_flag("--json", w->as_json, "for programs");
  return {sub, [w] { return run(*w); }};
}

}  // namespace pinion::tools
