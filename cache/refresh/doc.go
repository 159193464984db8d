// Package refresh brings what others did to a drop into the local replica: it decides when a drop is listed (Poller),
// what a listing means for what is here (Merge), and how the service's names and local paths map (EncodePath,
// DecodeName).
//
// Merge is a pure function. It reads nothing, never fails, and gives the same actions for the same input. It never
// takes an unsent change away: in doubt both are kept.
//
// Invariants:
//
//	M1: a local entry with unsent content is never removed and never replaced; at most it gets a conflict name.
//	M2: after the actions are applied, the same listing yields none.
//	M3: every asset of the listing is shown under exactly one name, except those whose deletion is queued here.
//	M4: of several assets with one name the one confirmed first keeps it, on every replica alike.
//	M5: no shown name leads outside its drop, and no two entries have one name.
//	M6: a local name maps to a wire name and back without loss.
//	M7: a drop is listed by one fetch at a time.
package refresh
