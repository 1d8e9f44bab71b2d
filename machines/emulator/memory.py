"""Guest memory in a stream: the ``ram`` section's block list and page records (migration/ram.c).

Nearly all of a stream is runs of pages of one block, one kind and one length each. They are
checked many at a time and passed through, so that a guest of any size needs no more memory.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from machines.emulator.errors import StreamError
from machines.emulator.events import (
    RamBlock,
    RamBlockList,
    RamFlag,
    RamMark,
    RamPages,
    name_bytes,
)
from machines.emulator.window import Window

TARGET_PAGE_SIZE = 4096
MAX_RAM_BLOCKS = 10_000
_PAGE_ALIGNED = bytes(range(0, 256, 16))  # a page address's second lowest byte


class GuestMemory:
    """The ``ram`` section while it is read: which blocks there are, which one is being sent.

    ``page_size`` is in bytes; ``ignore_shared`` tells whether the block list has addresses
    (capability x-ignore-shared).
    """

    def __init__(self, source: Window, page_size: int, ignore_shared: bool) -> None:
        self.source = source
        self.page_size = page_size
        self.ignore_shared = ignore_shared
        self.blocks: dict[str, RamBlock] = {}
        self.last_block = ""

    def records(self) -> Iterator[RamBlockList | RamPages | RamMark]:
        """The records of one START, PART or END, up to the mark that ends it."""
        source = self.source
        while True:
            offset = source.offset
            word = source.be64()
            flags = word & (self.page_size - 1)
            if flags & RamFlag.MEM_SIZE:
                yield self._block_list(offset, word & ~(self.page_size - 1))
            elif flags & (RamFlag.ZERO | RamFlag.PAGE | RamFlag.XBZRLE | RamFlag.COMPRESS_PAGE):
                source.position -= 8
                yield self._record(offset)
                yield from self._runs()
            elif flags in (RamFlag.EOS, RamFlag.MULTIFD_FLUSH, RamFlag.HOOK):
                if word != flags:
                    raise StreamError(offset, source.section, f"address in record 0x{word:x}")
                yield RamMark(offset, flags)
                if flags == RamFlag.EOS:
                    return
            else:
                raise StreamError(offset, source.section, f"unknown page flags 0x{flags:x}")

    def _block_list(self, offset: int, total: int) -> RamBlockList:
        source = self.source
        blocks: list[RamBlock] = []
        announced = 0
        while announced < total:
            if len(blocks) >= MAX_RAM_BLOCKS:
                raise source.error(f"more than {MAX_RAM_BLOCKS} RAM blocks")
            name = source.name("the RAM block")
            length = source.be64()
            address = source.be64() if self.ignore_shared else None
            if length == 0 or length > total - announced:
                raise source.error(f"RAM block {name!r} of {length} bytes exceeds the total")
            announced += length
            blocks.append(RamBlock(name, length, address))
        self.blocks = {block.name: block for block in blocks}
        return RamBlockList(offset, total, tuple(blocks))

    def _record(self, offset: int) -> RamPages:
        """One record with any of the flags of migration/ram.c, block name included."""
        source = self.source
        start = source.offset
        word = source.be64()
        address, flags = word & ~(self.page_size - 1), word & (self.page_size - 1)
        head = struct.pack(">Q", word)
        if not flags & RamFlag.CONTINUE:
            self.last_block = source.name("the RAM block")
            head += name_bytes(self.last_block)
        block = self.blocks.get(self.last_block)
        if block is None:
            raise StreamError(start, source.section, f"Unknown ramblock {self.last_block!r}")
        if address + self.page_size > block.length:
            raise StreamError(
                start, source.section, f"Illegal RAM offset 0x{address:x} in {block.name!r}"
            )
        kind, body = self._body(flags & ~RamFlag.CONTINUE)
        return RamPages(offset, block.name, kind, 1, head + body)

    def _body(self, flags: int) -> tuple[RamFlag, bytes]:
        source = self.source
        if flags == RamFlag.ZERO:
            return RamFlag.ZERO, source.take(1)
        if flags == RamFlag.PAGE:
            return RamFlag.PAGE, source.take(self.page_size)
        if flags == RamFlag.XBZRLE:
            encoding, length = source.take(1), source.be16()
            if length > self.page_size:
                raise source.error(f"an XBZRLE page of {length} bytes")
            return RamFlag.XBZRLE, encoding + struct.pack(">H", length) + source.take(length)
        if flags == RamFlag.COMPRESS_PAGE:
            length = source.be32()
            if length > 2 * self.page_size:
                raise source.error(f"a compressed page of {length} bytes")
            return RamFlag.COMPRESS_PAGE, struct.pack(">I", length) + source.take(length)
        raise source.error(f"unknown page flags 0x{flags:x}")

    def _runs(self) -> Iterator[RamPages]:
        """Pages of the same block and kind, as many as the window holds at a time."""
        source = self.source
        length = self.blocks[self.last_block].length
        for kind, body in ((RamFlag.ZERO, 1), (RamFlag.PAGE, self.page_size)):
            while True:
                stride = 8 + body
                if source.available() < stride:
                    source.fill(stride)
                offset, start = source.offset, source.position
                count = self._run(kind | RamFlag.CONTINUE, stride, length)
                if not count:
                    break
                source.position += count * stride
                with memoryview(source.buffer) as view:
                    data = view[start : source.position]
                    yield RamPages(offset, self.last_block, kind, count, data)
                    data.release()

    def _run(self, flags: int, stride: int, length: int) -> int:
        """How many whole records with exactly these flags begin the window."""
        source = self.source
        most = source.available() // stride
        start = source.position
        if not most or source.buffer[start + 7] != flags & 0xFF:
            return 0
        low = source.buffer[start + 7 : start + most * stride : stride]
        count = len(low) - len(low.lstrip(bytes((flags & 0xFF,))))
        if self._all_inside(start, start + count * stride, stride, length):
            return count
        with memoryview(source.buffer) as view, view[start : start + count * stride] as run:
            for index, (word,) in enumerate(struct.iter_unpack(f">Q{stride - 8}x", run)):
                if word & (self.page_size - 1) != flags:
                    return index
                if word - flags + self.page_size > length:
                    raise StreamError(
                        source.offset + index * stride,
                        source.section,
                        f"Illegal RAM offset 0x{word - flags:x}",
                    )
        return count

    def _all_inside(self, start: int, end: int, stride: int, length: int) -> bool:
        """Whether all these addresses are pages of a block of 16 MiB or a multiple of it.

        One column of bytes at a time, so without looking at each record; False where that cannot
        tell.
        """
        last = (length >> 24) - 1
        if length & 0xFFFFFF or not 0 <= last <= 0xFF or self.page_size != TARGET_PAGE_SIZE:
            return False
        buffer = self.source.buffer
        return not (
            any(buffer[start + column : end : stride].strip(b"\0") for column in range(4))
            or buffer[start + 4 : end : stride].translate(None, bytes(range(last + 1)))
            or buffer[start + 6 : end : stride].translate(None, _PAGE_ALIGNED)
        )
