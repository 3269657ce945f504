"""What all tests share: Hypothesis without a deadline, since how fast a busy machine is proves nothing."""

import hypothesis

hypothesis.settings.register_profile("suanli", deadline=None)
hypothesis.settings.load_profile("suanli")
