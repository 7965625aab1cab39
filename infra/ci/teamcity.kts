// A build configuration of .teamcity/settings.kts. Branch and person are configuration parameters: a build sees them only
// when they are handed on.
import jetbrains.buildServer.configs.kotlin.*
import jetbrains.buildServer.configs.kotlin.buildSteps.script

object Release : BuildType({
    name = "Release"
    params {
        param("env.TEAMCITY_BUILD_BRANCH", "%teamcity.build.branch%")
        param("env.TEAMCITY_BUILD_TRIGGERED_BY", "%teamcity.build.triggeredBy.username%")
        password("env.DRAWGATE_AMQP_URL", "credentialsJSON:drawgate-amqp-url")
    }
    vcs { root(DslContext.settingsRoot) }
    steps {
        script { scriptContent = "drawgate publish --wait" }
    }
})
