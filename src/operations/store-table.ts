import { hasPatches } from '../engine/preflight.ts'
void hasPatches
