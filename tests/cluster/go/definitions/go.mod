// Whose published definitions the exports are held against; nothing of them is built.
module greensched.test/definitions

go 1.26.0

require (
	github.com/kedacore/keda/v2 v2.17.0
	github.com/koordinator-sh/koordinator v1.6.0
)
