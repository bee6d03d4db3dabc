"""Types of options that several parts share, described once."""

from typing import Annotated

from pydantic import Field

Width = Annotated[int, Field(ge=1, le=4096)]
"""Channels of one layer, as an entry of an option that lists several."""

LevelWidths = Annotated[
    tuple[Width, ...], Field(min_length=1, max_length=6, description="channels of each level; each halves the map")
]
"""Widths of an encoder whose levels halve the map."""

RungWidths = Annotated[
    tuple[Width, ...], Field(min_length=1, description="channels at stride 1, 2, 4, ...; the last serves the rest")
]
"""Widths of a decoder at LR resolution and below."""

RungBlocks = Annotated[int, Field(ge=0, le=64, description="residual blocks at each stride from 1 up")]
"""Depth of a decoder at LR resolution and below."""

FineWidth = Annotated[int, Field(ge=1, le=1024, description="channels above LR resolution")]
"""Width of a decoder between LR resolution and the image."""

Channels = Annotated[int, Field(ge=1, le=1024, description="channels")]
"""Width of a part that has one."""

JudgeWidth = Annotated[int, Field(ge=1, le=512, description="channels of the first level; doubled by each")]
"""Width of a discriminator whose levels shrink the map."""

WindowSide = Annotated[int, Field(ge=2, le=64, description="height and width of a window, in positions")]
"""Where self-attention looks."""

Reach = Annotated[int, Field(ge=0, le=255, description="positions to each side that channel attention looks at")]
"""Where channel attention looks."""
