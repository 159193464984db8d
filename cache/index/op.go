package index

import (
	"time"

	"zombiezen.com/go/sqlite"
)

// OpKind tells what an op does to the service.
type OpKind string

// The kinds of op and what their Target is.
const (
	OpEntry   OpKind = "entry"   // an entry id: bring the service in step with its name and content
	OpTree    OpKind = "tree"    // a directory's inode: look through all below it, for it was moved
	OpDelete  OpKind = "delete"  // a drop's inode; Asset goes
	OpMkdrop  OpKind = "mkdrop"  // a drop's inode: make it
	OpUpdrop  OpKind = "updrop"  // a drop's inode: its name, size or days changed
	OpRmdrop  OpKind = "rmdrop"  // a drop's inode, which has no directory any more; Asset holds the drop's id
	OpSidecar OpKind = "sidecar" // a drop's inode: attributes changed
)

// Op is one queued change for the service.
type Op struct {
	Seq     int64
	Kind    OpKind
	Target  int64
	Asset   string // OpDelete, OpRmdrop
	First   time.Time
	Due     time.Time // not before
	Saga    []byte    // how far it came; nil: not begun
	Err     string    // of the last try
	Refused bool      // the service will not have it as it is
}

const opColumns = "seq, kind, target, asset, first, due, saga, err, refused"

func scanOp(s *sqlite.Stmt) Op {
	return Op{
		Seq: s.ColumnInt64(0), Kind: OpKind(s.ColumnText(1)), Target: s.ColumnInt64(2), Asset: s.ColumnText(3),
		First: fromNano(s.ColumnInt64(4)), Due: fromNano(s.ColumnInt64(5)), Saga: columnBytes(s, 6),
		Err: s.ColumnText(7), Refused: s.ColumnBool(8),
	}
}

// QueueOp adds an op, or moves the due time of the one that is queued for the same target, and returns its number and
// whether it is new.
func (t *Tx) QueueOp(kind OpKind, target int64, asset string, now, due time.Time) (op Op, fresh bool, err error) {
	op, found, err := t.OpFor(kind, target, asset)
	if err != nil {
		return op, false, err
	}
	if found {
		op.Due, op.Refused, op.Err = due, false, ""
		_, err = t.exec("UPDATE ops SET due = ?, refused = 0, err = '' WHERE seq = ?", toNano(due), op.Seq)
		return op, false, err
	}
	_, err = t.exec("INSERT INTO ops(kind, target, asset, first, due) VALUES(?, ?, ?, ?, ?)", kind, target, asset, toNano(now), toNano(due))
	return Op{Seq: t.conn.LastInsertRowID(), Kind: kind, Target: target, Asset: asset, First: now, Due: due}, true, err
}

// OpFor finds the op that is queued for a target.
func (t *Tx) OpFor(kind OpKind, target int64, asset string) (op Op, found bool, err error) {
	found, err = t.row("SELECT "+opColumns+" FROM ops WHERE kind = ? AND target = ? AND asset = ?", func(s *sqlite.Stmt) { op = scanOp(s) }, kind, target, asset)
	return op, found, err
}

// Op finds an op by its number.
func (t *Tx) Op(seq int64) (op Op, found bool, err error) {
	found, err = t.row("SELECT "+opColumns+" FROM ops WHERE seq = ?", func(s *sqlite.Stmt) { op = scanOp(s) }, seq)
	return op, found, err
}

// Ops lists the journal in order.
func (t *Tx) Ops() (list []Op, err error) {
	err = t.rows("SELECT "+opColumns+" FROM ops ORDER BY seq", func(s *sqlite.Stmt) { list = append(list, scanOp(s)) })
	return list, err
}

// SetSaga records how far an op came; nil: to its beginning.
func (t *Tx) SetSaga(seq int64, saga []byte) error {
	var v any
	if saga != nil {
		v = saga
	}
	_, err := t.exec("UPDATE ops SET saga = ? WHERE seq = ?", v, seq)
	return err
}

// SetOpError records why the last try failed.
func (t *Tx) SetOpError(seq int64, msg string, refused bool) error {
	_, err := t.exec("UPDATE ops SET err = ?, refused = ? WHERE seq = ?", msg, refused, seq)
	return err
}

// DeleteOp removes an op that is done.
func (t *Tx) DeleteOp(seq int64) error {
	_, err := t.exec("DELETE FROM ops WHERE seq = ?", seq)
	return err
}

// Unsent is a file that an OpEntry is queued for.
type Unsent struct {
	Entry
	Size      int64
	SameBytes bool // only its name changed: the service has its bytes
}

// UnsentEntries lists the files that are queued.
func (t *Tx) UnsentEntries() (list []Unsent, err error) {
	err = t.rows("SELECT "+entryColumns+", n.size, EXISTS(SELECT 1 FROM assets a WHERE a.eid = e.eid AND a.old = 0 AND a.chg = n.chg) FROM ops o JOIN entries e ON e.eid = o.target JOIN nodes n ON n.ino = e.ino WHERE o.kind = 'entry'",
		func(s *sqlite.Stmt) {
			list = append(list, Unsent{Entry: scanEntry(s), Size: s.ColumnInt64(4), SameBytes: s.ColumnBool(5)})
		})
	return list, err
}

// GoingBytes sums up the assets of a drop that queued ops delete or replace; uploads that were given up have no time of
// making, and do not count.
func (t *Tx) GoingBytes(drop int64) (sum int64, err error) {
	_, err = t.row("SELECT coalesce(sum(a.size), 0) FROM assets a WHERE a.drop_ino = ? AND a.created != 0 AND (a.eid = 0 OR a.old = 1 OR EXISTS(SELECT 1 FROM entries e JOIN nodes n ON n.ino = e.ino WHERE e.eid = a.eid AND n.chg != a.chg))",
		func(s *sqlite.Stmt) { sum = s.ColumnInt64(0) }, drop)
	return sum, err
}
