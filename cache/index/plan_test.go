package index

import (
	"strings"
	"testing"

	"zombiezen.com/go/sqlite"
)

// TestPlans holds the queries on hot paths to their indexes: none may walk a table.
func TestPlans(t *testing.T) {
	db, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	asset := "SELECT " + assetColumns + assetFrom
	for name, query := range map[string]string{
		"node":          "SELECT " + nodeColumns + " FROM nodes n WHERE n.ino = 1",
		"entry":         "SELECT " + entryColumns + " FROM entries e WHERE e.parent = 1 AND e.name = x'61'",
		"entries of":    "SELECT " + entryColumns + " FROM entries e WHERE e.ino = 1",
		"list":          "SELECT " + entryColumns + ", " + nodeColumns + " FROM entries e JOIN nodes n ON n.ino = e.ino WHERE e.parent = 1 AND e.eid > 0 ORDER BY e.eid LIMIT 10",
		"writing nodes": "SELECT " + nodeColumns + " FROM nodes n WHERE n.flags & 1",
		"asset":         asset + "WHERE a.drop_ino = 1 AND a.id = 'x'",
		"assets of":     asset + "WHERE a.eid = 7",
		"assets named":  asset + "WHERE a.drop_ino = 1 AND a.wire = 'x'",
		"assets with":   asset + assetsWith,
		"op for":        "SELECT " + opColumns + " FROM ops WHERE kind = 'x' AND target = 1 AND asset = ''",
	} {
		t.Run(name, func(t *testing.T) {
			err := db.Read(func(tx *Tx) error {
				return tx.rows("EXPLAIN QUERY PLAN "+query, func(s *sqlite.Stmt) {
					if step := s.ColumnText(3); strings.HasPrefix(step, "SCAN") && !strings.Contains(step, "USING INDEX") || strings.Contains(step, "TEMP B-TREE FOR ORDER BY") && name == "list" {
						t.Error(step)
					}
				})
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}
