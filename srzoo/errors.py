"""What can go wrong, as types. Every message is one line that says what, whose, and what to type next."""


class SrzooError(Exception):
    """Base of everything srzoo raises on purpose."""

    exit_code = 1
    """Exit status of the command line when this error ends a command."""


class UsageError(SrzooError):
    """The user asked for something that does not exist or does not fit."""

    exit_code = 2


class PartNotFoundError(UsageError):
    """No installed distribution offers a part of that kind and name."""


class AmbiguousNameError(UsageError):
    """Several third-party distributions offer the same bare name."""


class MissingDistributionError(SrzooError):
    """A model file needs a part whose distribution is not installed."""


class BrokenPluginError(SrzooError):
    """A part was found, but importing or constructing it failed."""


class OptionError(UsageError):
    """An option of a part is unknown or has a wrong type or range."""


class AssemblyError(UsageError):
    """Two parts do not fit together."""


class FixedScaleError(UsageError):
    """A model is wanted at another scale, but its decoder serves one only."""


class ConfigError(UsageError):
    """A model configuration, preset or recipe is not valid."""


class MissingLibraryError(UsageError):
    """An optional library is not installed."""


class CheckpointError(SrzooError):
    """A model file or training checkpoint cannot be read."""


class WriteError(SrzooError):
    """A file cannot be written."""


class ImageError(SrzooError):
    """An image cannot be read or written."""


class DataError(SrzooError):
    """A data set is missing, empty or inconsistent."""


class FetchError(SrzooError):
    """A pinned file is neither at hand nor obtainable."""


class TrainingError(SrzooError):
    """A training run cannot start or go on."""
