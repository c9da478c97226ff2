"""A pytest plugin for runs that only ask whether a test fails, such as mutation: no failure is made smaller."""

from hypothesis import Phase, settings

settings.register_profile("quick", phases=(Phase.explicit, Phase.generate), database=None)
settings.load_profile("quick")
