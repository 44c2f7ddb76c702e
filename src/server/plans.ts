import { PermafrostError } from '../core/errors.ts'
import { replacedName } from '../core/replaced-name.ts'
import { parseSelector } from '../core/selector.ts'
import { planBackup } from '../operations/backup-plan.ts'
import type { CopyPlan } from '../operations/copy.ts'
import type { OperationRequest, PlanAnswer } from './contract/operations.ts'
import { contextOf, copying, forgetPlan, pruneJson, prunePlan, restorePlan } from './execute.ts'
import type { ExecuteContext } from './execute.ts'

/** What an operation would do, and what it would have to be confirmed by. Nothing is changed. */
export async function planOf(request: OperationRequest, ctx: ExecuteContext): Promise<PlanAnswer> {
  const { kind } = request
  switch (kind) {
    case 'backup': {
      const { tables: patterns = ctx.ports.settings().tables } = request
      const plan = await ctx.engines.use((engine) =>
        planBackup({ ...contextOf(ctx), engine }, { selector: parseSelector(patterns) }),
      )
      const tables = plan.tables.map(({ database, name, engine }) => ({ database, name, engine }))
      return { kind, plan: { tables, findings: plan.findings } }
    }
    case 'restore': {
      const repository = await ctx.ports.openRepository('read')
      const { plan } = await ctx.engines.use((engine) =>
        restorePlan(request, { ...contextOf(ctx), repository, engine }),
      )
      const confirm = replacedName(plan)
      return { kind, plan, ...(confirm !== undefined && { confirm }) }
    }
    case 'forget': {
      const repository = await ctx.ports.openRepository('read')
      const { prepared, confirm } = await forgetPlan(request, { ...contextOf(ctx), repository, ports: ctx.ports })
      return { kind, plan: prepared.plan, ...(confirm !== undefined && { confirm }) }
    }
    case 'copy': {
      const plans: CopyPlan[] = []
      const { places, prepare } = await copying(request, ctx)
      for (const { open } of places) plans.push((await prepare(await open())).plan)
      return { kind, plan: plans }
    }
    case 'prune':
      return { kind, plan: pruneJson(await prunePlan(request, ctx)) }
    case 'verify':
    case 'drill':
    case 'hold':
      throw new PermafrostError('USAGE', `${kind} needs no plan: it takes nothing away`)
  }
}
