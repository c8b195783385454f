"""Every fault code: what it means, what to do about it, and which policies it can have."""

from dataclasses import dataclass

from morelike.core.errors import ParamsError

UNUSABLE = ("fail", "quarantine")  # there are no pixels to go on with
CONVERTED = (
    "fail",
    "quarantine",
    "fix",
    "warn",
    "ignore",
)  # the image is converted unless the policy is one of the first two
SUSPECT = ("fail", "quarantine", "warn", "ignore")
OF_THE_SET = ("fail", "warn", "ignore")  # a fault of the whole set, not of one file


@dataclass(frozen=True)
class Code:
    """A fault.

    Attributes:
        group: ``file``, ``form``, ``pixels``, ``geometry``, ``masks``, ``set`` or ``drift``.
        about: what it means.
        advice: what to do.
        policies: the policies that it can have.
        limit: what its limit applies to and in which unit, "" if it has no limit.
    """

    group: str
    about: str
    advice: str
    policies: tuple[str, ...]
    limit: str = ""


CODES = {
    "missing": Code(
        "file",
        "A link to nothing, a row of a table without its file, or a file that has disappeared.",
        "Restore the file.",
        UNUSABLE,
    ),
    "no_permission": Code("file", "The file may not be read.", "`chmod a+r` it.", UNUSABLE),
    "link_out": Code("file", "A link that leads out of the raw folder.", "Copy the file it points to.", UNUSABLE),
    "member_escapes": Code(
        "file",
        "A path in an archive or a table that leads out of it.",
        "Write it anew; ask where it comes from.",
        UNUSABLE,
    ),
    "unreadable": Code(
        "file", "No regular file, encrypted, or in a damaged archive.", "Pack or copy it anew.", UNUSABLE
    ),
    "empty": Code("file", "The file has 0 bytes.", "Fetch it again.", UNUSABLE),
    "not_an_image": Code("file", "No known image format.", "Move it out of the raw images.", UNUSABLE),
    "unsupported": Code(
        "file",
        "An image of a kind that is not read, or that an optional package reads.",
        "Install what the detail names, or convert it.",
        UNUSABLE,
    ),
    "truncated": Code("file", "The file ends before its pixels do.", "Fetch it again.", UNUSABLE),
    "damaged": Code(
        "file",
        "A decoder shows a picture but complains of its pixels: a part is lost or changed.",
        "Fetch it again.",
        UNUSABLE,
    ),
    "decode_error": Code(
        "file",
        "The pixels cannot be decoded, or not within a minute of processor time.",
        "Fetch it again, or convert it.",
        UNUSABLE,
    ),
    "decoders_disagree": Code(
        "file",
        "Pillow and OpenCV decode different pictures, so what a model sees would depend on who reads it.",
        "Fetch it again, or save it anew in the viewer that shows it right.",
        SUSPECT,
        "share of the values more than 8 levels of 255 apart",
    ),
    "wrong_extension": Code(
        "file",
        "The content is another format than the name says.",
        "Rename it; `fix` reads it by its content.",
        CONVERTED,
    ),
    "bomb": Code(
        "file",
        "More pixels, bytes, pages or scans than the limit; refused before they are decoded.",
        "Shrink it, or raise the limit.",
        UNUSABLE,
        "pixels",
    ),
    "animated": Code(
        "file", "Animated, or of several pages.", "The first one is used; `data.stack: slices` uses all.", CONVERTED
    ),
    "stray": Code("file", "Lies beside the class folders, so its label is unknown.", "Move it into one.", UNUSABLE),
    "no_label": Code(
        "file",
        "No label can be told: not in the table of labels, empty, contradictory, or no name that a folder can have.",
        "Give it a label, or set `data.labels`.",
        UNUSABLE,
    ),
    "synthetic": Code(
        "file",
        "Made by a model, says the table of labels: models that learn from it learn from a model.",
        "`quarantine` leaves it out.",
        SUSPECT,
    ),
    "orientation": Code(
        "form", "Stored turned or mirrored, with an EXIF note.", "It is turned upright; nothing to do.", CONVERTED
    ),
    "alpha": Code("form", "Has transparency.", "It is laid on `data.background`.", CONVERTED),
    "palette": Code("form", "Stored as a palette.", "It becomes RGB.", CONVERTED),
    "cmyk": Code("form", "In printing colours.", "It becomes sRGB, through its profile if it has one.", CONVERTED),
    "lab": Code("form", "In CIE L*a*b*.", "It becomes sRGB.", CONVERTED),
    "one_bit": Code("form", "Black and white alone.", "It becomes grey.", CONVERTED),
    "sixteen_bit": Code(
        "form", "Whole numbers of 10 to 16 bits.", "They are scaled from the set's range, see `data.range`.", CONVERTED
    ),
    "thirty_two_bit": Code(
        "form",
        "Floats, or whole numbers of 32 bits or more.",
        "They are scaled from the set's range; check it: see `data.range`.",
        CONVERTED,
    ),
    "icc_profile": Code("form", "Has a colour profile other than sRGB.", "It is converted to sRGB.", CONVERTED),
    "nan": Code("pixels", "Pixels are NaN.", "Find the arithmetic that wrote the file: a division by zero.", UNUSABLE),
    "infinite": Code("pixels", "Pixels are infinite.", "Find the arithmetic that wrote the file.", UNUSABLE),
    "out_of_range": Code(
        "pixels",
        "Numbers more than 5% outside the range of the set.",
        "A damaged image, or a mean was subtracted; if they are right, set `data.range: [low, high]`.",
        UNUSABLE,
    ),
    "constant": Code("pixels", "Every pixel is the same.", "Remove it: there is nothing to learn from it.", SUSPECT),
    "grey_as_rgb": Code("pixels", "Stored as RGB, without any colour.", "`resize.color: auto` keeps grey.", CONVERTED),
    "near_black": Code(
        "pixels", "Nearly black.", "Look at it: a failed exposure?", SUSPECT, "99th percentile of brightness, at least"
    ),
    "near_white": Code(
        "pixels", "Nearly white.", "Look at it: a failed exposure?", SUSPECT, "1st percentile of brightness, at most"
    ),
    "blurred": Code(
        "pixels", "Blurred.", "Look at it: out of focus, or enlarged?", SUSPECT, "blur (Crété et al. 2007), at most"
    ),
    "low_information": Code(
        "pixels", "Hardly any different levels.", "Look at it: is it a picture?", SUSPECT, "entropy in bits, at least"
    ),
    "clipped": Code(
        "pixels", "Burnt out: many pixels at level 0 or 255.", "Wrong exposure?", SUSPECT, "share above the median"
    ),
    "channel_order": Code(
        "pixels",
        "Its red and blue look exchanged, against the colours of the set.",
        "Was it saved from OpenCV without cv2.cvtColor? Exchange them back.",
        SUSPECT,
        "distance of red − blue from the set's median, in robust standard deviations",
    ),
    "odd_size": Code(
        "geometry",
        "Far larger or smaller than the others.",
        "Look at it: a thumbnail, or a whole page?",
        SUSPECT,
        "factors of 2 from the median side",
    ),
    "odd_aspect": Code(
        "geometry", "Far from square.", "Crop it, or set `resize.fit`.", SUSPECT, "long side / short side"
    ),
    "too_small": Code(
        "geometry", "Too few pixels to learn from.", "Fetch a larger one.", SUSPECT, "shorter side in pixels"
    ),
    "enlarged": Code(
        "geometry",
        "Far smaller than the size that the models learn.",
        "Lower `resize.width_px` and `height_px`.",
        SUSPECT,
        "factor by which it is enlarged",
    ),
    "mask_alone": Code(
        "masks",
        "A file that is called as the masks of other images are, without an image of its own.",
        "Add its image, or rename it; if it is an image, set `data.masks: none`.",
        UNUSABLE,
    ),
    "mask_size": Code("masks", "A mask of another size than its upright image.", "Draw it anew.", UNUSABLE),
    "mask_values": Code(
        "masks",
        "Called a mask, but has the many colours of a picture, or numbers that 8 bits cannot hold.",
        "If it is a picture, set `data.masks: none`; else save its labels as a palette or as grey.",
        UNUSABLE,
    ),
    "label_conflict": Code(
        "set", "The same pixels under two labels.", "Decide which is right, and delete the others.", SUSPECT
    ),
    "mixed_range": Code(
        "set",
        "Deep images that share no range of numbers, so that one would turn some nearly black.",
        "Convert one kind to the range of the other, or set `data.range` if that one is right for all.",
        OF_THE_SET,
    ),
    "exact_duplicate": Code(
        "set", "The same pixels as an earlier file.", "Nothing: the first is kept.", ("fail", "quarantine")
    ),
    "near_duplicate": Code(
        "set",
        "Nearly the same as another image.",
        "`fix` keeps both on one side of the split, `quarantine` keeps the first alone.",
        CONVERTED,
        "bits of 64 by which the perceptual hashes may differ",
    ),
    "leakage": Code(
        "set",
        "Nearly the same image in two of the given splits.",
        "`quarantine` takes out the one in train (or val), so that test stays unseen.",
        SUSPECT,
    ),
    "group_straddles": Code(
        "set",
        "A group of `data.groups` with images in two of the given splits.",
        "Mend the splits or `data.groups`; `quarantine` takes out the images in train (or val), so that test stays "
        "unseen.",
        SUSPECT,
    ),
    "large_group": Code(
        "set",
        "One group holds so many images that the splits must be far off their shares.",
        "Name smaller groups in `data.groups`.",
        OF_THE_SET,
        "share of the images",
    ),
    "small_class": Code(
        "set", "A class too small to split.", "Add images, or remove it.", OF_THE_SET, "images per class"
    ),
    "imbalance": Code(
        "set",
        "The largest class is far larger than the smallest.",
        "`synthesize.per_class: balance` evens it out.",
        OF_THE_SET,
        "largest / smallest",
    ),
    "label_spelling": Code(
        "set",
        "Labels that differ by case or spaces alone; the two Unicode forms of one name are one class anyway.",
        "Rename a folder; `fix` merges them under the commonest.",
        ("fail", "fix", "warn", "ignore"),
    ),
    "label_typo": Code(
        "set",
        "A small class one typing error apart from a large one.",
        "If it is a typing error, move its images; nothing is merged.",
        OF_THE_SET,
        "images of the small class / images of the large one, at most",
    ),
    "unsafe_label": Code(
        "set",
        "A label that not every system can name a folder by, such as CON, or one with hidden characters.",
        "Rename the folder; `fix` exports it under a name like it, and the manifest keeps the label.",
        ("fail", "fix", "ignore"),
    ),
    "drift_statistics": Code(
        "drift",
        "A statistic is spread otherwise than in the last accepted set.",
        "Look at what is new.",
        OF_THE_SET,
        "population stability index",
    ),
    "drift_sizes": Code("drift", "Sizes are spread otherwise.", "Look at what is new.", OF_THE_SET, "PSI"),
    "drift_formats": Code("drift", "Formats or modes are spread otherwise.", "Look at what is new.", OF_THE_SET, "PSI"),
    "drift_classes": Code("drift", "Classes are new, or gone.", "Was a folder renamed?", OF_THE_SET),
}
GROUPS = tuple(dict.fromkeys(code.group for code in CODES.values()))


def explain(name: str) -> str:
    """Return in words what a fault code means, what to do and which policies it can have.

    Raises:
        ParamsError: if there is no such code.
    """
    if name not in CODES:
        raise ParamsError("--explain", "CODE", name, f"one of {', '.join(CODES)}")
    code = CODES[name]
    lines = [f"{name} ({code.group})", code.about, code.advice, f"policies: {', '.join(code.policies)}"]
    return "\n".join(lines + ([f"limit: {code.limit}"] if code.limit else []))
