// Package cloud is the DragDropDo service, or a hub that speaks like it, as a convert.Engine.
//
// What it can do is what the service says: Edges never waits, and what is not known is asked by Background, which its owner
// runs, or by Refresh. A source goes to the service under a neutral name: the result depends on its content alone, and what
// the file is called here is nobody's business there. Archives hold the true names.
//
// Invariants:
//
//	C1: Edges makes no request and waits for none.
//	C2: an option is offered only where the service lists it, or where its wire has a parameter of that meaning.
//	C3: no more operations are begun within an hour than Config.PerHour, by earlier processes with the same Config.Spent
//	    too; what was refused undone does not count.
//	C4: a result is of the format that was asked for, as far as its first bytes tell, or the run fails.
//	C5: compress never makes a file larger.
//	C6: no error shows a secret.
//
// Locks: Engine.mu and budget.mu are leaves; no request is made under them. budget.writing is held over the writing of a file. Engine.asking is held by who asks.
package cloud
