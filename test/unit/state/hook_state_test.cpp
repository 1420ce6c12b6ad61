// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "state/hook_state.hpp"

#include <unistd.h>

#include <gtest/gtest.h>

#include "state/json.hpp"

namespace ct::internal {
namespace {

TEST(HookState, HasTheKeysOfTheRuntimeSpecification) {
    Spec spec;
    spec.annotations = {{"a", "b\"\n"}, {"c", "\xff"}};
    EXPECT_EQ(Json::parse(hook_state("web", HookPoint::CreateRuntime, spec, 42)),
              (Json{{"ociVersion", "1.0.2"},
                    {"id", "web"},
                    {"status", "creating"},
                    {"pid", 42},
                    {"bundle", "/"},
                    {"annotations", {{"a", "b\"\n"}, {"c", "\xef\xbf\xbd"}}}}));
    const Json stopped = Json::parse(hook_state("web", HookPoint::Poststop, {}, -1));
    EXPECT_EQ(stopped.at("status"), "stopped");
    EXPECT_FALSE(stopped.contains("pid"));
    EXPECT_EQ(stopped.at("annotations"), Json::object());
    EXPECT_EQ(Json::parse(hook_state("web", HookPoint::Poststart, {}, 1)).at("status"), "running");
    EXPECT_EQ(Json::parse(hook_state_without_pid("web", HookPoint::CreateContainer, {}) + "1}").at("pid"), 1);
}

TEST(HookState, NamesTheRootByAnAbsolutePath) {
    Spec spec;
    const auto bundle = [&](std::string path) {
        spec.root = Root{.path = std::move(path)};
        return Json::parse(hook_state("web", HookPoint::Poststop, spec, -1)).at("bundle").get<std::string>();
    };
    EXPECT_EQ(bundle("/srv/web"), "/srv/web");
    char here[4096] = "";
    ASSERT_NE(::getcwd(here, sizeof here), nullptr);
    EXPECT_EQ(bundle("web"), std::string(here) + "/web");
}

TEST(HookState, PointsAreSpeltAsOciDoes) {
    EXPECT_EQ(to_string(HookPoint::Prestart), "createRuntime");
    EXPECT_EQ(to_string(HookPoint::CreateContainer), "createContainer");
    EXPECT_EQ(to_string(HookPoint::Poststart), "poststart");
    EXPECT_EQ(to_string(HookPoint::Poststop), "poststop");
}

} // namespace
} // namespace ct::internal
