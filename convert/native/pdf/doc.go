// Package pdf is the engine for PDF that needs nothing installed: PDFium, as WebAssembly, under wazero.
//
// It draws pages, reads text, picks pages, merges, locks and unlocks, makes smaller, and lists the pages of a document.
// Every run has an instance of the module of its own, which is thrown away after it.
//
//	Run ─ inside ─ a slot of the pool ─ a guest (instance) ─ open ─ draw | write text | save
//	                    │
//	                    └─ context ends: Run returns, the guest ends at its next loop or call
//
// Invariants:
//
//	P1: the guest has no file, no network, no environment and no clock of this machine: its imports are those of host.go.
//	P2: whatever a document does to the guest, the host gets an error: no panic, no more than memoryPages of memory.
//	P3: nothing that a document says sizes an allocation before it was checked against the limits.
//	P4: a run whose context ends returns at once, and nothing of its instance is used again.
//	P5: no more instances than Config.Instances are at work, and as many again that were abandoned and have not ended yet.
//	P6: what is locked opens with its secret or not at all, and no result of compress is larger than its source.
//
// P4 and P5 need the look at the context that the guest takes in its loops. Config.Unchecked leaves it out, for a process of
// its own that can be killed: then the guest ends at its next call of the host, if it makes one.
package pdf
